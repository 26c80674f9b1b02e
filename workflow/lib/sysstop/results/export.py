"""From finished searches into MLflow, and from MLflow into the tables of a data set and algorithm."""

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sysstop.results.journal import read_trials
from sysstop.results.store import Store
from sysstop.results.tables import study_tables, train_loss_file
from sysstop.results.tracking import missing_error, missing_studies, read_study, write_study
from sysstop.study.hyperparameters import Levels
from sysstop.study.studies import Study


def track_search(
    store: Store,
    study: Study,
    trials_file: Path,
    summary_file: Path,
    provenance: Mapping[str, Any],
    code: str,
) -> None:
    """Write a finished search into MLflow, unless it is there and was written by the same code."""
    content = hashlib.sha256(code.encode())
    for file in (trials_file, summary_file):
        content.update(file.read_bytes())
    write_study(
        store,
        study,
        json.loads(summary_file.read_text()),
        read_trials(trials_file),
        digest=content.hexdigest(),
        provenance=provenance,
    )


def write_tables(
    store: Store,
    studies: Iterable[Study],
    *,
    task: str,
    levels: Levels,
    trials_file: Path,
    windows_file: Path,
    train_loss: Path,
    summaries_file: Path,
) -> None:
    """Make the tables of some studies from their runs in MLflow and nothing else.

    `task` is that of their algorithm, `levels` are the hyperparameters that have a column.
    `summaries_file` is a JSON list of the summaries of their searches. Raises `UserError` for a
    study that MLflow does not hold.
    """
    tables, summaries = [], []
    with train_loss_file(train_loss) as add_losses:
        for study in studies:
            stored = read_study(store, study)
            _note_deleted_runs(study, len(stored.trials), stored.summary["trials"])
            rule = stored.summary["rule"] or {}
            tables.append(
                study_tables(
                    study,
                    stored.trials,
                    stored.run_ids,
                    rule.get("limit"),
                    task=task,
                    levels=levels,
                )
            )
            add_losses(study, stored.trials)
            summaries.append(stored.summary)
    for file, parts in zip((trials_file, windows_file), zip(*tables, strict=True), strict=True):
        pd.concat(parts).to_parquet(file, index=False)
    summaries_file.write_text(json.dumps(summaries, indent=2))


def _note_deleted_runs(study: Study, found: int, written: int) -> None:
    if found < written:
        print(
            f"{study.key}: the tables have {found} of its {written} trials; the runs of the others "
            "were deleted in MLflow.",
            file=sys.stderr,
        )


def check_all_there(store: Store, studies: Iterable[Study]) -> None:
    """Raise `UserError`, which names the studies that MLflow does not hold, if there are any."""
    missing = missing_studies(store, studies)
    if missing:
        raise missing_error(store, missing)
