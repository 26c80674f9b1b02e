"""Train one trial: the models of its k folds in lockstep, window by window.

A training step draws one mini-batch, scales it and calls scikit-learn's `partial_fit` once per fold
model. Mini-batches run through permutations of the fold's rows, a fresh one each epoch, and always
have the full batch size. Inside a mini-batch scikit-learn updates the model one sample at a time.
"""

import math
import time
import warnings
from collections.abc import Iterator

import numpy as np

from sysstop.data.split import Split
from sysstop.study.algorithms import ALGORITHMS, Algorithm, linear_scores
from sysstop.study.metrics import metric_names
from sysstop.study.rules import Rule, decide
from sysstop.study.studies import Trial, derive_seed
from sysstop.trial.meters import MemoryReader, StepClock

# Validation runs in blocks of this size, so that it leaves no mark on the memory of the training.
EVALUATION_BLOCK_BYTES = 2**20


# scikit-learn clips the gradient of the loss at 1e12, so a diverging model need not overflow. With
# scaled targets a loss of 1e12 is an error of a million standard deviations.
DIVERGED_LOSS = 1e12

# What no rule saw, in the record of a trial that none stopped.
NOT_STOPPED = {"stop_metric": None, "stop_limit": None, "stop_value": None}


class Diverged(Exception):  # noqa: N818 - it is a result of a trial, not an error of the program
    """The model overflowed, or its loss is no longer finite or beyond `DIVERGED_LOSS`."""


class FoldModel:
    """One model, the rows it trains on and the scaling fitted on those rows."""

    def __init__(self, trial: Trial, split: Split, fold: int) -> None:
        self.algorithm: Algorithm = ALGORITHMS[trial.algorithm]
        self.split = split
        self.train_rows, self.validation_rows = split.fold_rows(fold)
        self.mean, self.scale = split.feature_mean[fold], split.feature_scale[fold]
        self.target_mean = float(split.target_mean[fold])
        self.target_scale = float(split.target_scale[fold])
        seed = derive_seed(trial.seed, fold)
        self.model = self.algorithm.make_model(
            trial.configuration.learning_rate, trial.configuration.alpha, seed
        )
        self.fit_arguments = {}
        if self.algorithm.task == "classification":
            self.fit_arguments["classes"] = np.arange(len(split.class_labels))
        self.batches = batch_rows(self.train_rows, trial.configuration.batch_size, seed)

    def scaled(self, features: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return a scaled copy of the rows with these numbers."""
        batch = features[rows]
        batch -= self.mean
        batch /= self.scale
        return batch

    def scaled_target(self, target: np.ndarray) -> np.ndarray:
        """Return class codes as they are, regression targets scaled as the fold's training rows."""
        if self.algorithm.task == "classification":
            return target
        return (target - self.target_mean) / self.target_scale

    def fit_batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Draw, scale and fit the next mini-batch; return its features and target."""
        rows = next(self.batches)
        features = self.scaled(self.split.train_features, rows)
        target = self.scaled_target(self.split.train_target[rows])
        try:
            self.model.partial_fit(features, target, **self.fit_arguments)
        except ValueError as error:
            if "overflow" in str(error):
                raise Diverged(str(error)) from error
            raise
        return features, target

    def batch_loss(self, features: np.ndarray, target: np.ndarray) -> float:
        """Return the loss on a mini-batch; raise `Diverged` when it is beyond all bounds."""
        loss = self.algorithm.mean_loss(linear_scores(self.model, features), target)
        if not loss < DIVERGED_LOSS:
            raise Diverged(f"the training loss is {loss:g}")
        return loss

    def evaluate(
        self, features: np.ndarray, target: np.ndarray, rows: np.ndarray
    ) -> dict[str, float]:
        """Return loss and accuracy or RMSE (in the target's unit) on some rows."""
        block_rows = max(1, EVALUATION_BLOCK_BYTES // (8 * features.shape[1]))
        loss = correct = squared_error = 0.0
        for start in range(0, len(rows), block_rows):
            block = rows[start : start + block_rows]
            scores = linear_scores(self.model, self.scaled(features, block))
            expected = self.scaled_target(target[block])
            loss += self.algorithm.mean_loss(scores, expected) * len(block)
            if self.algorithm.task == "classification":
                predicted = scores > 0 if scores.ndim == 1 else scores.argmax(axis=1)
                correct += float((predicted == expected).sum())
            else:
                squared_error += float(((scores - expected) ** 2).sum())
        result = {"val_loss": loss / len(rows), "accuracy": math.nan, "rmse": math.nan}
        if self.algorithm.task == "classification":
            result["accuracy"] = result["score"] = correct / len(rows)
        else:
            result["rmse"] = math.sqrt(squared_error / len(rows)) * self.target_scale
            result["score"] = -result["rmse"]
        return result


def batch_rows(rows: np.ndarray, batch_size: int, seed: int) -> Iterator[np.ndarray]:
    """Yield endless mini-batches of row numbers, each (batch_size,).

    Every row is drawn once per epoch; a batch may reach over the end of an epoch into the next.
    """
    rng = np.random.default_rng(seed)
    left = rng.permutation(rows)
    while True:
        while len(left) < batch_size:
            left = np.concatenate([left, rng.permutation(rows)])
        yield left[:batch_size]
        left = left[batch_size:]


class TrialRun:
    """A trial on its way: its fold models, its clocks and how far it has come."""

    def __init__(self, trial: Trial, split: Split) -> None:
        self.began = time.perf_counter()
        self.cpu_began = time.process_time()
        self.memory = MemoryReader()
        self.baseline_mb = self.memory.read()["memory_mb"]
        self.trial, self.split = trial, split
        self.models = [FoldModel(trial, split, fold) for fold in range(split.folds)]
        self.clock = StepClock(warmup_fits=trial.budget.warmup_steps * split.folds)
        self.eval_time_s = 0.0
        self.step = self.window = 0

    def run_window(self) -> dict:
        """Train and evaluate one window and return its record (see `train`)."""
        self.window += 1
        losses, memory, divergence = self._train_window()
        system = self.clock.end_window()
        quality = dict.fromkeys(metric_names("quality"), math.nan)
        if divergence:
            status, reason = "diverged", divergence
        else:
            quality |= {"train_loss": float(np.mean(losses)), **self._evaluate()}
            status, reason = ("completed", "budget") if self._budget_used() else (None, "")
        batch_size = self.trial.configuration.batch_size
        return {
            "window": self.window,
            "step": self.step,
            "losses": np.array(losses),
            "status": status,
            "stop_reason": reason,
            **NOT_STOPPED,
            **quality,
            **system,
            **memory,
            "memory_baseline_mb": self.baseline_mb,
            "sample_time_us": 1e3 * system["step_time_ms"] / batch_size,
            "train_time_s": self.clock.wall_ns / 1e9,
            "eval_time_s": self.eval_time_s,
            "cpu_time_s": time.process_time() - self.cpu_began,
            "wall_time_s": time.perf_counter() - self.began,
            "samples_used": self.clock.fits * batch_size,
        }

    def _train_window(self) -> tuple[list[float], dict[str, float], str]:
        """Return the loss of each step, the memory, and why the model diverged, if it did."""
        losses: list[float] = []
        divergence = ""
        last_step = min(self.step + self.trial.budget.window_steps, self.trial.steps_planned)
        self.memory.reset_peak()
        try:
            while self.step < last_step:
                self.step += 1
                loss = 0.0
                for model in self.models:
                    started = self.clock.start()
                    batch = model.fit_batch()
                    self.clock.stop(started)
                    eval_began = time.perf_counter()
                    loss += model.batch_loss(*batch)
                    self.eval_time_s += time.perf_counter() - eval_began
                losses.append(loss / len(self.models))
        except Diverged as error:
            divergence = str(error)
        # Read here, where the last mini-batch is still alive.
        return losses, self.memory.read(), divergence

    def _evaluate(self) -> dict[str, float]:
        began = time.perf_counter()
        features, target = self.split.train_features, self.split.train_target
        results = [m.evaluate(features, target, m.validation_rows) for m in self.models]
        self.eval_time_s += time.perf_counter() - began
        return {name: float(np.mean([r[name] for r in results])) for name in results[0]}

    def _budget_used(self) -> bool:
        seconds = self.trial.budget.seconds
        out_of_time = seconds is not None and self.clock.wall_ns / 1e9 >= seconds
        return out_of_time or self.step >= self.trial.steps_planned


def train(trial: Trial, split: Split, rule: Rule | None = None) -> Iterator[dict]:
    """Train a trial and yield one record at the end of each window, until it is over.

    A record holds the metrics of the registry, `step` (steps done), `window` (from 1), `losses`
    (the training loss of each of the window's steps, mean over folds), `status` (None until the
    last window; then "completed", "stopped" or "diverged"), `stop_reason`, and what the rule that
    stopped the trial saw (`stop_metric`, `stop_limit`, `stop_value`; None if none did). The rule is
    asked here, in the trial's own process, so that no window begins before its answer.
    """
    warnings.filterwarnings("ignore", module="sklearn")
    run = TrialRun(trial, split)
    records: list[dict] = []
    while not records or records[-1]["status"] is None:
        record = run.run_window()
        records.append(record)
        stop = decide(rule, records, trial.steps_planned) if record["status"] is None else None
        if stop:
            record |= {
                "status": "stopped",
                "stop_reason": stop.rule,
                "stop_metric": stop.metric,
                "stop_limit": stop.limit,
                "stop_value": stop.value,
            }
        yield record
