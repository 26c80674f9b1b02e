"""Which searches a partial report can tell of: those finished so far."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sysstop.run.errors import UserError
from sysstop.study.studies import BASELINE_ARM, Study


def finished_studies(folders: Mapping[Study, Path]) -> list[Study]:
    """Return the studies whose searches are finished, and those of their baselines.

    `folders` are where the results of all planned studies are or will be. Raises `UserError` if no
    baseline is finished.
    """
    finished = {study for study, folder in folders.items() if (folder / "search.json").exists()}
    complete = [study for study in folders if {study, replace(study, arm=BASELINE_ARM)} <= finished]
    if not complete:
        raise UserError(
            "partial: no search of a baseline (arm 'none') is finished so far, so there is nothing to "
            "report. Run the same command without it; an interrupted run goes on where it was."
        )
    return complete
