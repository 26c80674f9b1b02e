"""Run one study from its split to its finished trials."""

import json
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sysstop.data.split import load_split
from sysstop.results.core_share import core_share_warning
from sysstop.results.journal import Journal, count_failed_search
from sysstop.run.environment import LIBRARY_FOLDER
from sysstop.run.provenance import folder_digest, git_state
from sysstop.search.host_load import busy_warning
from sysstop.search.node_data import put_folder
from sysstop.search.ray_session import ray_session
from sysstop.search.settings import SearchSettings
from sysstop.search.tune import run_search
from sysstop.study.algorithms import Algorithm
from sysstop.study.rules import ArmRule
from sysstop.study.status import Status
from sysstop.study.studies import LOCAL_RAY, Budget, Study, Trial, order_seed, plan_trials
from sysstop.trial.nominal import Nominal


def search_study(
    study: Study,
    rule: ArmRule | None,
    split_folder: Path,
    *,
    algorithm: Algorithm,
    nominal: Nominal | None,
    grid: Mapping[str, Any],
    budget: Budget,
    settings: SearchSettings,
    trials_file: Path,
    summary_file: Path,
    log: Callable[[str], None],
    give_up: Callable[[str], Any] | None = None,
) -> None:
    """Search a study's grid; write its finished trials and a summary of the search.

    Without a `nominal` there is no steady time. An interrupted search continues from the journal next to `trials_file`, as long as nothing that
    determines its results has changed. `trials_file` is that journal, once it is complete;
    `summary_file` (JSON) says how long the search took, how many trials ran at once, on which
    hosts, and how busy this one was. `log` is given progress and warnings, `give_up` is for
    `ray_session`.

    If trials failed, the journal stays, so that the next search of the study tries them again, and
    `journal.read_failed_searches` counts one more.
    """
    seed, fold_rows = settings.seed, load_split(split_folder).fold_train_rows
    nominal_us = (nominal.reference_us, nominal.repeated_us) if nominal else ()
    trials = plan_trials(study, algorithm, grid, budget, seed, fold_rows, *nominal_us)
    identity = _identity(algorithm, trials, rule, folder_digest(split_folder), settings.code)
    journal = Journal(trials_file.with_name("journal.jsonl"), identity)
    resumed = len(journal.finished)
    with ray_session(settings.ray_address, settings.workers, give_up, log):
        local = settings.ray_address == LOCAL_RAY
        search = run_search(
            trials,
            rule,
            split_folder if local else put_folder(split_folder, identity["data"]),
            journal,
            settings,
            order_seed=order_seed(seed, study.dataset, study.algorithm, study.repetition),
            log=log,
        )
    commit = git_state(LIBRARY_FOLDER)
    count = Counter(journal.finished.values())
    busy = busy_warning(search)
    for warning in (busy, core_share_warning(search.get("core_share", {}), len(trials) - resumed)):
        if warning:
            log(warning)
    summary = {
        "study": asdict(study),
        "rule": identity["rule"],
        "trials": len(trials),
        "resumed_trials": resumed,
        **{f"{status}_trials": count[status] for status in Status if status != Status.COMPLETED},
        "host": socket.gethostname(),
        "machine_was_busy": bool(busy),
        **search,
        **commit,
        "environments": [environment | commit for environment in journal.environments],
    }
    summary_file.write_text(json.dumps(summary, indent=2))
    if count[Status.FAILED]:
        count_failed_search(trials_file.parent)
        trials_file.unlink(missing_ok=True)
        trials_file.hardlink_to(journal.path)
    else:
        journal.path.rename(trials_file)


def _identity(
    algorithm: Algorithm,
    trials: Mapping[str, Trial],
    rule: ArmRule | None,
    data: str,
    code: str,
) -> dict:
    """Return all that determines a study's results, as plain data for its journal's header."""
    identity = {
        "algorithm": asdict(algorithm),
        "trials": {trial_id: trial.identity for trial_id, trial in trials.items()},
        "rule": rule.as_data if rule else None,
        "data": data,
        "code": code,
    }
    return json.loads(json.dumps(identity))
