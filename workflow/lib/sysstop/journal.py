"""The journal of a study: each finished trial is one line, written through to the disk at once.

It is what an interrupted search continues from; the results are read from MLflow, not from here.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Journal:
    """Finished trials of one study, by trial id.

    `identity` is all that decides the trials; a journal of another identity is begun anew.
    """

    path: Path
    identity: Mapping[str, Any]
    finished: dict[str, dict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        head = json.dumps(self.identity, sort_keys=True)
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        if lines[:1] != [head]:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(head + "\n")
            return
        for line in lines[1:]:
            try:
                trial = json.loads(line)
            except json.JSONDecodeError:
                break  # the line that a crash cut short, always the last
            self.finished[trial["trial_id"]] = trial
        # Whatever follows the last whole line is cut off, so that the next line starts clean.
        kept = [head, *(json.dumps(trial) for trial in self.finished.values())]
        beside = self.path.with_suffix(".new")
        beside.write_text("\n".join(kept) + "\n")
        beside.replace(self.path)

    def append(self, trial: dict) -> None:
        """Add a finished trial and see it on the disk before returning."""
        with self.path.open("a") as file:
            file.write(json.dumps(trial) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.finished[trial["trial_id"]] = trial
