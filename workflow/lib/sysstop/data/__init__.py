"""Data sets: where they come from, their checks and their split."""
