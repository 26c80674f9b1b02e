"""One trial: its training, its meters and its process."""
