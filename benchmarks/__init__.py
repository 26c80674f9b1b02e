"""How far the pipeline's readings can be trusted and what the pipeline costs: `make bench`."""
