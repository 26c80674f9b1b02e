"""The keys of the tables: which columns name a row, and by which columns rows are grouped."""

PAIR = ["dataset", "algorithm"]
"""A data set and an algorithm: nothing is compared across such pairs."""

REPLICATE = [*PAIR, "repetition"]
"""The studies that differ only in their arm, and so are compared with each other."""

STUDY = [*PAIR, "arm", "repetition"]
TRIAL = [*STUDY, "trial_id"]

RULE = ["rule", "metric"]
"""A stopping rule and what it watches."""

HYPERPARAMETERS = ["batch_size", "learning_rate", "alpha"]
"""What distinguishes the trials of a study, in the order of the grid."""
