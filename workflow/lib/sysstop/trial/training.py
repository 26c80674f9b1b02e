"""Train one trial: the models of its k folds in lockstep, window by window.

A training step draws one mini-batch, scales it and calls the estimator's `partial_fit` once per fold
model. Mini-batches run through permutations of the fold's rows, a fresh one each epoch, and always
have the full batch size. Inside a mini-batch scikit-learn's linear models are updated one sample at
a time.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from sysstop.data.split import Split
from sysstop.study.losses import linear_scores, outputs_of, predicted_classes
from sysstop.study.metrics import metric_names
from sysstop.study.rules import ArmRule, Showing, comparing_part, decide, showing_after
from sysstop.study.status import BUDGET_USED, Status, Stop, TrialEnd
from sysstop.study.studies import Trial, derive_seed
from sysstop.trial.estimators import is_divergence, is_linear, predicted, takes_classes
from sysstop.trial.meters import begin_meters, hooks
from sysstop.trial.reference import Clocks, trial_reference
from sysstop.trial.window import Window

# Validation runs in blocks of this size, so that it does not show in the memory of training.
EVALUATION_BLOCK_BYTES = 2**20


# scikit-learn clips the gradient of the loss at 1e12, so a diverging model need not overflow. With
# scaled targets a loss of 1e12 is an error of a million standard deviations.
DIVERGED_LOSS = 1e12


class Diverged(Exception):  # noqa: N818 - it is a result of a trial, not an error of the program
    """The model overflowed, or its loss is no longer finite or beyond `DIVERGED_LOSS`."""


class FoldModel:
    """One model, the rows it trains on and the scaling fitted on those rows."""

    def __init__(self, trial: Trial, split: Split, fold: int) -> None:
        self.task, self.loss, self.split = trial.algorithm.task, trial.algorithm.loss, split
        self.train_rows, self.validation_rows = split.fold_rows(fold)
        self.mean, self.scale = split.feature_mean[fold], split.feature_scale[fold]
        self.target_mean = float(split.target_mean[fold])
        self.target_scale = float(split.target_scale[fold])
        seed = derive_seed(trial.seed, fold)
        self.model = trial.algorithm.make_model(trial.configuration.values, seed)
        self.gives_scores = self.loss.mean_of_scores is not None and is_linear(self.model)
        self.mean_loss = self.loss.mean_of_scores if self.gives_scores else self.loss.mean
        self.fit_arguments = {}
        if self.task == "classification" and takes_classes(self.model):
            self.fit_arguments["classes"] = np.arange(len(split.class_labels))
        self.batches = batch_rows(self.train_rows, trial.configuration.batch_size, seed)

    def scaled(self, features: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return a scaled copy of the rows with these numbers."""
        batch = features[rows]
        batch -= self.mean
        batch /= self.scale
        return batch

    def scaled_target(self, target: np.ndarray) -> np.ndarray:
        """Return class codes as they are, regression targets scaled like the fold's training rows."""
        if self.task == "classification":
            return target
        return (target - self.target_mean) / self.target_scale

    def fit_batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Draw, scale and fit the next mini-batch; return its features and target."""
        rows = next(self.batches)
        features = self.scaled(self.split.train_features, rows)
        target = self.scaled_target(self.split.train_target[rows])
        try:
            self.model.partial_fit(features, target, **self.fit_arguments)
        except Exception as error:
            if is_divergence(error):
                raise Diverged(str(error)) from error
            raise
        return features, target

    def outputs(self, features: np.ndarray) -> np.ndarray:
        """Return what the loss is computed from: linear scores, or what the estimator's method says."""
        if self.gives_scores:
            return linear_scores(self.model, features)
        return outputs_of(self.model, self.loss.method, features)

    def batch_loss(self, features: np.ndarray, target: np.ndarray) -> float:
        """Return the loss on a mini-batch; raise `Diverged` when it is out of bounds."""
        loss = self.mean_loss(self.outputs(features), target)
        if not loss < DIVERGED_LOSS:
            raise Diverged(f"the training loss is {loss:g}")
        return loss

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the classes, or the targets in their unit, of raw features, which it scales in place."""
        features -= self.mean
        features /= self.scale
        target = predicted(self.model, self.loss.method, features)
        if self.task == "classification":
            return target
        return target * self.target_scale + self.target_mean

    @property
    def stored(self) -> tuple:
        """What has to be stored of it for predictions: the estimator and its scaling."""
        scaling = np.asarray(self.mean), np.asarray(self.scale)  # of mapped files
        return self.model, *scaling, self.target_mean, self.target_scale

    def evaluate(
        self, features: np.ndarray, target: np.ndarray, rows: np.ndarray
    ) -> dict[str, float]:
        """Return loss and accuracy or RMSE (in the target's unit) on some rows."""
        block_rows = max(1, EVALUATION_BLOCK_BYTES // (8 * features.shape[1]))
        loss = correct = squared_error = 0.0
        for start in range(0, len(rows), block_rows):
            block = rows[start : start + block_rows]
            outputs = self.outputs(self.scaled(features, block))
            expected = self.scaled_target(target[block])
            loss += self.mean_loss(outputs, expected) * len(block)
            if self.task == "classification":
                predicted = predicted_classes(outputs, self.loss.method)
                correct += float((predicted == expected).sum())
            else:
                squared_error += float(((outputs - expected) ** 2).sum())
        result = {"val_loss": loss / len(rows), "accuracy": math.nan, "rmse": math.nan}
        if self.task == "classification":
            result["accuracy"] = result["score"] = correct / len(rows)
        else:
            result["rmse"] = math.sqrt(squared_error / len(rows)) * self.target_scale
            result["score"] = -result["rmse"]
        return result


def batch_rows(rows: np.ndarray, batch_size: int, seed: int) -> Iterator[np.ndarray]:
    """Yield endless mini-batches of row numbers, each (batch_size,).

    Every row is drawn once per epoch; a batch may extend beyond the end of an epoch into the next.
    """
    rng = np.random.default_rng(seed)
    left = rng.permutation(rows)
    while True:
        while len(left) < batch_size:
            left = np.concatenate([left, rng.permutation(rows)])
        yield left[:batch_size]
        left = left[batch_size:]


class TrialRun:
    """A trial in progress: its fold models, its meters and how far it has come."""

    def __init__(self, trial: Trial, split: Split, clocks: Clocks) -> None:
        reference = trial_reference(split, trial.nominal_reference_us, clocks)
        # Before the models, so that they see what these cost.
        self.meters = begin_meters(trial, split.folds, clocks, reference)
        self.trial, self.split = trial, split
        self.models = [FoldModel(trial, split, fold) for fold in range(split.folds)]
        self.step = self.window = 0

    def run_window(self) -> Window:
        """Train and evaluate one window; if it ends the trial, no rule has been asked."""
        self.window += 1
        losses, divergence = self._train_window()
        metrics = dict.fromkeys(metric_names("quality"), math.nan)
        if not divergence:
            metrics |= {"train_loss": float(np.mean(losses)), **self._evaluate()}
            self._predict()
        for meter in reversed(self.meters):
            metrics |= meter.end_window()
        end = None
        if divergence:
            end = TrialEnd(Status.DIVERGED, divergence)
        elif self._budget_is_used(metrics["steady_train_time_s"]):
            end = TrialEnd(Status.COMPLETED, BUDGET_USED)
        return Window(self.window, self.step, np.array(losses), metrics, end)

    def _train_window(self) -> tuple[list[float], str]:
        """Return the loss of each step, and why the model diverged, if it did."""
        losses: list[float] = []
        divergence = ""
        last_step = min(self.step + self.trial.budget.window_steps, self.trial.steps_planned)
        for begin_window in hooks(self.meters, "begin_window"):
            begin_window()
        begin_fit = hooks(self.meters, "begin_fit")
        end_fit = hooks(reversed(self.meters), "end_fit")
        begin_evaluation = hooks(self.meters, "begin_evaluation")
        end_evaluation = hooks(reversed(self.meters), "end_evaluation")
        between_fits = hooks(self.meters, "between_fits")
        try:
            while self.step < last_step:
                self.step += 1
                loss = 0.0
                for model in self.models:
                    for begin in begin_fit:
                        begin()
                    batch = model.fit_batch()
                    for end in end_fit:
                        end()
                    for begin in begin_evaluation:
                        begin()
                    loss += model.batch_loss(*batch)
                    for end in end_evaluation:
                        end()
                    for run in between_fits:
                        run()
                losses.append(loss / len(self.models))
        except Diverged as error:
            divergence = str(error)
        # Here, where the last mini-batch is still alive.
        for end_training in hooks(reversed(self.meters), "end_training"):
            end_training()
        return losses, divergence

    def _evaluate(self) -> dict[str, float]:
        for begin in hooks(self.meters, "begin_evaluation"):
            begin()
        features, target = self.split.train_features, self.split.train_target
        results = [m.evaluate(features, target, m.validation_rows) for m in self.models]
        for end in hooks(reversed(self.meters), "end_evaluation"):
            end()
        return {name: float(np.mean([r[name] for r in results])) for name in results[0]}

    def _predict(self) -> None:
        for begin in hooks(self.meters, "begin_predictions"):
            begin()
        for predict in hooks(self.meters, "predict"):
            predict(self.models)
        for end in hooks(reversed(self.meters), "end_predictions"):
            end()

    def _budget_is_used(self, steady_train_time_s: float) -> bool:
        seconds = self.trial.budget.seconds
        out_of_time = seconds is not None and steady_train_time_s >= seconds
        return out_of_time or self.step >= self.trial.steps_planned


def train(
    trial: Trial,
    split: Split,
    rule: ArmRule | None = None,
    clocks: Clocks = Clocks(),  # noqa: B008 - it is frozen
    show: Callable[[Showing], Stop | None] | None = None,
) -> Iterator[Window]:
    """Train a trial and yield each window at its end; the last one says how the trial ended.

    The rule is asked here, in the trial's own process, so that no window begins before it has
    answered. A part that compares trials is asked through `show`, which shows the others what this
    one has reached and returns the verdict (see `Scoreboard.show`). Waiting for that is part of no
    window's training.
    """
    warnings.filterwarnings("ignore", module="sklearn")
    run = TrialRun(trial, split, clocks)
    comparing = comparing_part(rule)
    seen: list[dict[str, float]] = []
    end = None
    while end is None:
        window = run.run_window()
        seen.append(window.row)
        stop = None if window.end else decide(rule, seen, trial.steps_planned)
        if comparing:
            status = window.end.status if window.end else Status.STOPPED if stop else None
            showing = showing_after(comparing, seen, status)
            began_ns = clocks.wall_ns()
            stop = (show(showing) if showing else None) or stop
            window = replace(window, rule_wait_s=(clocks.wall_ns() - began_ns) / 1e9)
        if stop:
            window = replace(window, end=TrialEnd(Status.STOPPED, stop.rule, stop))
        end = window.end
        yield window
