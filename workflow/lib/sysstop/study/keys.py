"""The keys of the tables: which columns name a row, and by which columns rows are grouped."""

PAIR = ["dataset", "algorithm"]
"""What is compared with nothing else: a data set and an algorithm."""

REPLICATE = [*PAIR, "repetition"]
"""The studies that differ in their arm alone, and so are compared with each other."""

STUDY = [*PAIR, "arm", "repetition"]
TRIAL = [*STUDY, "trial_id"]

RULE = ["rule", "metric"]
"""A stopping rule and what it watches."""

HYPERPARAMETERS = ["batch_size", "learning_rate", "alpha"]
"""What tells the trials of a study apart, in the order of the grid."""
