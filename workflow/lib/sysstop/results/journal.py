"""The journal of a study: each finished trial is one line, written through to the disk at once.

It is what an interrupted search continues from and, once the search is over, its result: tracking
and tables are made of it.
"""

import base64
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sysstop.study.metrics import metric_names
from sysstop.study.studies import Trial

_FAILED_SEARCHES = "failed_searches"
WINDOW_COLUMNS = ("step", *metric_names(), "memory_baseline_mb")


def journal_entry(trial_id: str, trial: Trial, records: Sequence[Mapping[str, Any]]) -> dict:
    """Return a finished trial as its journal keeps it, from the records of its windows.

    Each record holds the `environment` of the host it comes from, empty where that is not known.
    The last record says how the trial ended; a record of status "failed" is no window. `windows`
    holds one list for each of `WINDOW_COLUMNS`, `losses` the training loss of every step.
    """
    first, last = records[0], records[-1]
    windows = [record for record in records if record["status"] != "failed"]
    configuration = trial.configuration
    return {
        "trial_id": trial_id,
        "batch_size": configuration.batch_size,
        "learning_rate": configuration.learning_rate,
        "alpha": configuration.alpha,
        "steps_planned": trial.steps_planned,
        **{name: last.get(name) for name in ("status", "stop_reason")},
        **{name: last.get(name) for name in ("stop_metric", "stop_limit", "stop_value")},
        "host": first["environment"].get("host", ""),
        "environment": first["environment"],
        "windows": {name: [window[name] for window in windows] for name in WINDOW_COLUMNS},
        "losses": np.concatenate([[], *(window["losses"] for window in windows)]),
    }


@dataclass
class Journal:
    """The status of each finished trial of one study by its id; the trials are in the file.

    `identity` is all that decides the trials; a journal of another identity is begun anew. One that
    is continued has lost its failed trials, which are to be tried again. `environments` are the
    distinct ones in which trials ran, one for each host as a rule.
    """

    path: Path
    identity: Mapping[str, Any]
    finished: dict[str, str] = field(default_factory=dict)
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
                trial = json.loads(line)
            except json.JSONDecodeError:
                break  # the line that a crash cut short, always the last
            if trial["status"] == "failed":
                continue
            kept.append(line)
            self._note(trial)
        # Whatever follows the last whole line is cut off too, so that the next line starts clean.
        beside = self.path.with_suffix(".new")
        beside.write_text("\n".join(kept) + "\n")
        beside.replace(self.path)

    def append(self, trial: Mapping[str, Any]) -> None:
        """Add a finished trial (a `journal_entry`) and see it on the disk before returning.

        Raises `OSError`, which names the file, where it cannot be written.
        """
        losses = base64.b64encode(np.asarray(trial["losses"], float).tobytes()).decode()
        try:
            with self.path.open("a") as file:
                file.write(json.dumps(dict(trial) | {"losses": losses}) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            error.filename = str(self.path)
            raise
        self._note(trial)

    def _note(self, trial: Mapping[str, Any]) -> None:
        self.finished[trial["trial_id"]] = trial["status"]
        if trial["environment"] and trial["environment"] not in self.environments:
            self.environments.append(trial["environment"])


def read_trials(path: Path) -> Iterator[dict]:
    """Yield the finished trials of a study's journal, one at a time, as `journal_entry` made them."""
    with path.open() as file:
        next(file)
        for line in file:
            trial = json.loads(line)
            trial["losses"] = np.frombuffer(base64.b64decode(trial["losses"]))
            yield trial


def read_failed_searches(study_folder: Path) -> int:
    """Return how many searches of a study ended with failed trials."""
    count = study_folder / _FAILED_SEARCHES
    return int(count.read_text()) if count.exists() else 0


def count_failed_search(study_folder: Path) -> None:
    """Remember that another search of a study ended with failed trials."""
    count = read_failed_searches(study_folder) + 1
    (study_folder / _FAILED_SEARCHES).write_text(str(count))
