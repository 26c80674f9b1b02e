"""The metrics of the study: one entry here is a column, an MLflow metric, a test and a figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """A quantity read at the end of each window.

    `kind` is "system" (what stopping limits and RQ1 analyses), "quality" (what the model is worth)
    or "accounting" (what the trial has used so far). `over_windows` says how the windows of a trial
    become the trial's one value.
    """

    name: str
    label: str
    unit: str
    kind: Literal["system", "quality", "accounting"]
    over_windows: Literal["mean", "max", "last"]
    description: str

    @property
    def axis_label(self) -> str:
        """The label with its unit, for an axis or a table's head."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


METRICS: tuple[Metric, ...] = (
    Metric(
        "step_time_ms",
        "Step time",
        "ms",
        "system",
        "mean",
        "Mean wall time of one training step of one fold model, warm-up steps left out",
    ),
    Metric(
        "sample_time_us",
        "Time per sample",
        "µs",
        "system",
        "mean",
        "Step time divided by the batch size",
    ),
    Metric(
        "train_time_s",
        "Training time",
        "s",
        "system",
        "last",
        "Wall time spent in training steps of all folds since the trial began",
    ),
    Metric(
        "cpu_percent",
        "CPU",
        "%",
        "system",
        "mean",
        "CPU time divided by wall time of the window's training steps",
    ),
    Metric(
        "memory_mb",
        "Memory",
        "MB",
        "system",
        "mean",
        "Resident minus shared memory of the worker, read while a mini-batch is alive",
    ),
    Metric(
        "memory_peak_mb",
        "Peak memory",
        "MB",
        "system",
        "max",
        "Highest resident minus shared memory of the worker while it trains",
    ),
    Metric(
        "train_loss",
        "Training loss",
        "",
        "quality",
        "last",
        "The algorithm's loss on the mini-batches of the window's steps, mean over folds",
    ),
    Metric(
        "val_loss",
        "Validation loss",
        "",
        "quality",
        "last",
        "The algorithm's loss on the validation folds, mean over folds",
    ),
    Metric(
        "accuracy",
        "Accuracy",
        "",
        "quality",
        "last",
        "Share of validation samples classified correctly, mean over folds",
    ),
    Metric(
        "rmse",
        "Root mean square error",
        "target unit",
        "quality",
        "last",
        "Root mean square error on the validation folds, mean over folds",
    ),
    Metric(
        "score",
        "Score",
        "",
        "quality",
        "last",
        "Accuracy (classification) or minus RMSE (regression); larger is better",
    ),
    Metric(
        "eval_time_s",
        "Evaluation time",
        "s",
        "accounting",
        "last",
        "Wall time spent on losses and validation since the trial began",
    ),
    Metric(
        "cpu_time_s",
        "CPU time",
        "s",
        "accounting",
        "last",
        "CPU time of the worker, training and evaluation, since the trial began",
    ),
    Metric(
        "wall_time_s",
        "Wall time",
        "s",
        "accounting",
        "last",
        "Wall time since the trial began",
    ),
    Metric(
        "samples_used",
        "Samples",
        "",
        "accounting",
        "last",
        "Samples used in training steps, all folds together",
    ),
)

METRIC_BY_NAME = {metric.name: metric for metric in METRICS}


def metric_names(*kinds: str) -> Sequence[str]:
    """Return the names of the metrics of these kinds, of all kinds if none is given."""
    return [metric.name for metric in METRICS if not kinds or metric.kind in kinds]
