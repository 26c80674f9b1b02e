"""A run of the workflow: its jobs, folder, lock and provenance."""
