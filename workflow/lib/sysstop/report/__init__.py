"""The report, by subject."""
