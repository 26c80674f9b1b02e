"""The journal of a study: each finished trial is one line, written through to disk at once.

An interrupted search continues from it and, once the search is over, it is the result, which is
tracked in MLflow.
"""

import base64
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from sysstop.study.metrics import metric_names
from sysstop.study.status import Status, Stop, TrialEnd
from sysstop.study.studies import Configuration

_FAILED_SEARCHES = "failed_searches"
SEEN = ("metric", "limit", "value")


@dataclass(frozen=True)
class FinishedTrial:
    """A trial that is over, as its journal keeps it."""

    trial_id: str
    configuration: Configuration
    steps_planned: int
    end: TrialEnd
    environment: Mapping[str, Any]
    """that of the host where it ran; empty if that is not known"""
    windows: Mapping[str, Sequence[float]]
    """the values in each window, by `window_columns`"""
    losses: np.ndarray
    """the training loss of every step, mean over folds"""
    core: int | None = None
    """the host's core that was reserved for the trial; None if none was free, or if not known"""

    @property
    def row(self) -> dict[str, Any]:
        """What the trial is and how it ended, by the names of columns."""
        stop = self.end.stop
        return {
            "trial_id": self.trial_id,
            "configuration": self.configuration.values,
            "steps_planned": self.steps_planned,
            "status": self.end.status,
            "stop_reason": self.end.reason,
            "stop_metric": stop.metric if stop else None,
            "stop_limit": stop.limit if stop else None,
            "stop_value": stop.value if stop else None,
            "host": self.environment.get("host", ""),
            "core": self.core,
        }

    def to_line(self) -> str:
        """Return the trial as a line of JSON."""
        losses = base64.b64encode(np.asarray(self.losses, float).tobytes()).decode()
        parts = {"environment": self.environment, "windows": self.windows, "losses": losses}
        return json.dumps(self.row | parts)

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Return the trial that `to_line` wrote; raise `ValueError` for a line cut short."""
        entry = json.loads(line)
        losses = np.frombuffer(base64.b64decode(entry["losses"]))
        return cls.from_row(entry, entry["environment"], entry["windows"], losses)

    @classmethod
    def from_row(
        cls,
        row: Mapping[str, Any],
        environment: Mapping[str, Any],
        windows: Mapping[str, Sequence[float]],
        losses: np.ndarray,
    ) -> Self:
        """Return the trial that has this `row`; what it has none of may be missing there."""
        reason, seen = row["stop_reason"], [row.get(f"stop_{name}") for name in SEEN]
        stop = None if seen[0] is None else Stop(reason, *seen)
        return cls(
            row["trial_id"],
            Configuration(row["configuration"]),
            row["steps_planned"],
            TrialEnd(Status(row["status"]), reason, stop),
            environment,
            windows,
            losses,
            row.get("core"),
        )


def window_columns() -> list[str]:
    """Return what a journal keeps of each window: the step and all metrics."""
    return ["step", *metric_names()]


@dataclass
class Journal:
    """The status of each finished trial of one study by its id; the trials are in the file.

    `identity` is all that determines the trials; a journal with a different identity is started
    afresh. One that is continued drops its failed trials, which are to be tried again.
    `environments` are the distinct ones in which trials ran, one for each host as a rule.
    """

    path: Path
    identity: Mapping[str, Any]
    finished: dict[str, Status] = field(default_factory=dict)
    environments: list[dict] = field(default_factory=list)

    def __post_init__(self) -> None:
        head = json.dumps(self.identity, sort_keys=True)
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        if lines[:1] != [head]:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(head + "\n")
            return
        kept = [head]
        for line in lines[1:]:
            try:
                trial = FinishedTrial.from_line(line)
            except json.JSONDecodeError:
                break  # the line that a crash cut short, always the last
            if trial.end.status == Status.FAILED:
                continue
            kept.append(line)
            self._note(trial)
        # Whatever follows the last whole line is cut off too, so that the next line starts clean.
        temporary = self.path.with_suffix(".new")
        temporary.write_text("\n".join(kept) + "\n")
        temporary.replace(self.path)

    def append(self, trial: FinishedTrial) -> None:
        """Add a finished trial, which is on disk when this returns.

        Raises `OSError`, which names the file, where it cannot be written.
        """
        try:
            with self.path.open("a") as file:
                file.write(trial.to_line() + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            error.filename = str(self.path)
            raise
        self._note(trial)

    def _note(self, trial: FinishedTrial) -> None:
        self.finished[trial.trial_id] = trial.end.status
        if trial.environment and trial.environment not in self.environments:
            self.environments.append(dict(trial.environment))


def read_trials(path: Path) -> Iterator[FinishedTrial]:
    """Yield the finished trials of a study's journal, one at a time."""
    with path.open() as file:
        next(file)
        for line in file:
            yield FinishedTrial.from_line(line)


def read_failed_searches(study_folder: Path) -> int:
    """Return how many searches of a study ended with failed trials."""
    count = study_folder / _FAILED_SEARCHES
    return int(count.read_text()) if count.exists() else 0


def count_failed_search(study_folder: Path) -> None:
    """Record that another search of a study ended with failed trials."""
    count = read_failed_searches(study_folder) + 1
    (study_folder / _FAILED_SEARCHES).write_text(str(count))
