"""The metrics of the study: each entry becomes a column, an MLflow metric, a test and a figure.

A system metric is read by a meter of `trial.meters`, which a new entry needs as well. Code looks
the metrics up when it runs, so that entries added later are seen everywhere.
"""

from collections.abc import ValuesView
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """A quantity that has a value at the end of each window of a trial."""

    name: str
    """names its column, with its unit"""
    label: str
    unit: str
    kind: Literal["system", "quality", "accounting"]
    """what RQ1 analyses and limits are put on; what the model is worth; what the trial has used"""
    over_windows: Literal["mean", "max", "first", "last"]
    """how the windows of a trial become the trial's one value"""
    description: str
    direction: Literal["down", "up"] = "down"
    """the direction of better values"""
    can_be_limited: bool = False
    """whether a rule or a constraint may set its largest value"""
    prediction: Literal["extrapolated", "stays"] | None = None
    """how a trial's value is predicted from its first windows: it grows with the steps, or stays"""
    steady: str = ""
    """the metric that is the same in steady time, if this one is a wall time that has such a one"""
    can_be_negative: bool = False
    resolution: float = 0.0
    """how much readings may differ though nothing else does; a limit at a quantile is so far above it"""

    @property
    def axis_label(self) -> str:
        """The label with its unit, for an axis or a table's head."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


# A rule, or a few small objects more or less, move the memory of the same trial by a page or two of 4 kB.
FEW_PAGES_MB = 4 * 4 / 1024

METRIC_BY_NAME: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "steady_step_time_ms",
            label="Steady step time",
            unit="ms",
            kind="system",
            over_windows="mean",
            can_be_limited=True,
            prediction="stays",
            description="CPU time of one training step of one fold model at nominal speed: divided by "
            "the slowdown, warm-up steps left out",
        ),
        Metric(
            "steady_sample_time_us",
            label="Steady time per sample",
            unit="µs",
            kind="system",
            over_windows="mean",
            can_be_limited=True,
            description="Steady step time divided by the batch size",
        ),
        Metric(
            "steady_train_time_s",
            label="Steady training time",
            unit="s",
            kind="system",
            over_windows="last",
            can_be_limited=True,
            prediction="extrapolated",
            description="CPU time of the training steps of all folds since the trial began, at nominal "
            "speed",
        ),
        Metric(
            "slowdown",
            label="Slowdown",
            unit="",
            kind="accounting",
            over_windows="mean",
            description="CPU time of the reference step divided by its nominal: 1 at nominal speed",
        ),
        Metric(
            "step_time_ms",
            label="Step time",
            unit="ms",
            kind="system",
            over_windows="mean",
            can_be_limited=True,
            prediction="stays",
            steady="steady_step_time_ms",
            description="Mean wall time of one training step of one fold model, warm-up steps left out",
        ),
        Metric(
            "sample_time_us",
            label="Time per sample",
            unit="µs",
            kind="system",
            over_windows="mean",
            can_be_limited=True,
            steady="steady_sample_time_us",
            description="Step time divided by the batch size",
        ),
        Metric(
            "train_time_s",
            label="Training time",
            unit="s",
            kind="system",
            over_windows="last",
            can_be_limited=True,
            prediction="extrapolated",
            steady="steady_train_time_s",
            description="Wall time spent in training steps of all folds since the trial began",
        ),
        Metric(
            "predict_time_us",
            label="Prediction time",
            unit="µs",
            kind="system",
            over_windows="last",
            can_be_limited=True,
            steady="steady_predict_time_us",
            description="Wall time of a prediction for one row, median of the latest calls",
        ),
        Metric(
            "predict_sample_us",
            label="Prediction per sample",
            unit="µs",
            kind="system",
            over_windows="last",
            can_be_limited=True,
            steady="steady_predict_sample_us",
            description="Wall time of a prediction for 1,000 rows at once, divided by these, median of the "
            "latest calls",
        ),
        Metric(
            "cpu_percent",
            label="CPU",
            unit="%",
            kind="system",
            over_windows="mean",
            can_be_limited=True,
            description="CPU time divided by wall time of the window's training steps",
        ),
        Metric(
            "memory_mb",
            label="Memory",
            unit="MB",
            kind="system",
            over_windows="mean",
            can_be_limited=True,
            prediction="stays",
            description="Resident minus shared memory of the worker, read while a mini-batch is alive",
            resolution=FEW_PAGES_MB,
        ),
        Metric(
            "memory_peak_mb",
            label="Peak memory",
            unit="MB",
            kind="system",
            over_windows="max",
            can_be_limited=True,
            prediction="stays",
            description="Highest resident minus shared memory of the worker while it trains",
            resolution=FEW_PAGES_MB,
        ),
        Metric(
            "steady_predict_time_us",
            label="Steady prediction time",
            unit="µs",
            kind="system",
            over_windows="last",
            can_be_limited=True,
            description="CPU time of a prediction for one row at nominal speed: the row is drawn, scaled and "
            "given to the first fold's model, whose answer is put into the target's unit; median of the "
            "latest calls",
        ),
        Metric(
            "steady_predict_sample_us",
            label="Steady prediction per sample",
            unit="µs",
            kind="system",
            over_windows="last",
            can_be_limited=True,
            description="The same for a block of 1,000 rows at once, divided by these",
        ),
        Metric(
            "model_mb",
            label="Model size",
            unit="MB",
            kind="system",
            over_windows="last",
            can_be_limited=True,
            description="What the first fold's model and its scaling take when stored: bytes of their "
            "pickle, in whole kB; missing where a model cannot be pickled",
        ),
        Metric(
            "train_loss",
            label="Training loss",
            unit="",
            kind="quality",
            over_windows="last",
            description="The algorithm's loss on the mini-batches of the window's steps, mean over folds",
        ),
        Metric(
            "val_loss",
            label="Validation loss",
            unit="",
            kind="quality",
            over_windows="last",
            description="The algorithm's loss on the validation folds, mean over folds",
        ),
        Metric(
            "accuracy",
            label="Accuracy",
            unit="",
            kind="quality",
            over_windows="last",
            direction="up",
            description="Share of validation samples classified correctly, mean over folds",
        ),
        Metric(
            "rmse",
            label="Root mean square error",
            unit="target unit",
            kind="quality",
            over_windows="last",
            description="Root mean square error on the validation folds, mean over folds",
        ),
        Metric(
            "score",
            label="Score",
            unit="",
            kind="quality",
            over_windows="last",
            direction="up",
            can_be_negative=True,
            description="Accuracy (classification) or minus RMSE (regression); larger is better",
        ),
        Metric(
            "eval_time_s",
            label="Evaluation time",
            unit="s",
            kind="accounting",
            over_windows="last",
            can_be_limited=True,
            description="Wall time spent on losses and validation since the trial began",
        ),
        Metric(
            "cpu_time_s",
            label="CPU time",
            unit="s",
            kind="accounting",
            over_windows="last",
            can_be_limited=True,
            description="CPU time of the worker, training and evaluation, since the trial began",
        ),
        Metric(
            "wall_time_s",
            label="Wall time",
            unit="s",
            kind="accounting",
            over_windows="last",
            can_be_limited=True,
            description="Wall time since the trial began",
        ),
        Metric(
            "context_switches",
            label="Involuntary context switches",
            unit="",
            kind="accounting",
            over_windows="last",
            description="How often the kernel gave the worker's core to something else since the trial began",
        ),
        Metric(
            "run_queue_delay_s",
            label="Wait for a core",
            unit="s",
            kind="accounting",
            over_windows="last",
            description="Time in which the worker was ready but waited for a core, since the trial began",
        ),
        Metric(
            "stolen_time_s",
            label="Stolen time",
            unit="s",
            kind="accounting",
            over_windows="last",
            description="Time that the hypervisor kept the worker's cores from this machine, since the trial began",
        ),
        Metric(
            "samples_used",
            label="Samples",
            unit="",
            kind="accounting",
            over_windows="last",
            can_be_limited=True,
            description="Samples used in training steps, all folds together",
        ),
        Metric(
            "memory_baseline_mb",
            label="Memory at the start",
            unit="MB",
            kind="accounting",
            over_windows="first",
            description="Resident minus shared memory of the worker before the trial made its models",
        ),
    )
}

METRICS: ValuesView[Metric] = METRIC_BY_NAME.values()
"""All metrics, including those entered later."""


def metric_names(*kinds: str) -> list[str]:
    """Return the names of the metrics of these kinds, of all kinds if none is given."""
    return [metric.name for metric in METRICS if not kinds or metric.kind in kinds]


def steady_system_metrics() -> list[str]:
    """Return the names of the system metrics without the wall times that are known in steady time.

    They are what rules are replayed on, and what figures and sentences show; the wall times stand
    beside them in the tables.
    """
    return [metric.name for metric in METRICS if metric.kind == "system" and not metric.steady]


def limitable_metrics() -> list[str]:
    """Return the names of the metrics whose largest value a rule or a constraint may set."""
    return [metric.name for metric in METRICS if metric.can_be_limited]


def predicted_metrics() -> list[str]:
    """Return the names of the metrics that are predicted from a trial's first windows."""
    return [metric.name for metric in METRICS if metric.prediction]
