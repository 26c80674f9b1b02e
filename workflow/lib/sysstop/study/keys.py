"""The keys of the tables: which columns name a row, and by which columns rows are grouped."""

PAIR = ["dataset", "algorithm"]
"""A data set and an algorithm: nothing is compared across such pairs."""

REPLICATE = [*PAIR, "repetition"]
"""The studies that differ only in their arm, and so are compared with each other."""

STUDY = [*PAIR, "arm", "repetition"]
TRIAL = [*STUDY, "trial_id"]

RULE = ["rule", "metric"]
"""A stopping rule and what it watches."""

_OF_TRIALS = """
    task limit mlflow_run_id status stop_reason stop_metric stop_limit stop_value candidate host
    core core_share steps_planned steps_used step_time_unstable
"""
_OF_WINDOWS = "window step"
_OF_RECOMMENDATIONS = """
    configurations configurations_within unconstrained_score saved_time_fraction
    constraints_saved_time_fraction constraints_stop_best
"""
_OF_PARETO = "value on_front within_constraints completed repetitions"
_OF_SIGNALS = "largest_signal quantity score_text reading limits_below state"
_OF_JOURNALS = "configuration environment windows losses"
RESERVED = {
    *TRIAL,
    *RULE,
    *_OF_TRIALS.split(),
    *_OF_WINDOWS.split(),
    *_OF_RECOMMENDATIONS.split(),
    *_OF_PARETO.split(),
    *_OF_SIGNALS.split(),
    *_OF_JOURNALS.split(),
}
"""What stands beside hyperparameters in a table, metrics left out: no hyperparameter may be called so."""
