"""Early stopping on system metrics in hyperparameter search: measure, stop, replay, report."""
