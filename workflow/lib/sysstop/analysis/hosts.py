"""The hosts of the measurements: which trials ran where, and how fast each host was."""

from collections.abc import Sequence

import pandas as pd

from sysstop.study.keys import PAIR, STUDY
from sysstop.study.status import Status


def host_table(trials: pd.DataFrame, environment: pd.DataFrame) -> pd.DataFrame:
    """Return one row per host: what it is, what ran there, and how long its steps took.

    `steady_step_time_ratio` and `step_time_ratio` (wall time) compare the step times of completed
    trials with those of the same configurations on all hosts where they ran: the median over the
    `compared_configurations`, those that completed on several hosts; 1.2 means 20 % longer than the
    mean of the hosts. They are missing where there are none.
    """
    trials = trials[trials["host"] != ""]
    by_host = trials.groupby("host")
    table = pd.DataFrame(
        {
            "cpu_model": environment.groupby("host")["cpu_model"].agg(_each_once),
            "cores": environment.groupby("host")["cores"].max(),
            "studies": by_host.apply(lambda rows: len(rows[STUDY].drop_duplicates())),
            "trials": by_host.size(),
            "failed_trials": by_host["status"].agg(lambda status: (status == Status.FAILED).sum()),
        }
    ).loc[sorted(trials["host"].unique())]
    completed = trials[trials["status"] == Status.COMPLETED]
    by_configuration = completed.groupby([*PAIR, "trial_id", "host"])
    for steady in ("steady_", ""):
        means = by_configuration[f"{steady}step_time_ms"].mean().unstack("host")
        compared = means[means.notna().sum(axis="columns") > 1]
        ratios = compared.div(compared.mean(axis="columns"), axis="index")
        table["compared_configurations"] = ratios.notna().sum().reindex(table.index).fillna(0)
        table[f"{steady}step_time_ratio"] = ratios.median().reindex(table.index)
    return table.astype({"compared_configurations": int}).reset_index(names="host")


def _each_once(values: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(values))
