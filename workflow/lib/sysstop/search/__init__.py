"""The search of a study with Ray Tune."""
