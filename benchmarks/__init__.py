"""What the pipeline's readings are worth and what the pipeline costs: `make bench`."""
