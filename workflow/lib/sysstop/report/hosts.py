"""The hosts: how they compare, and what it means for the results that there are several."""

import numpy as np
import pandas as pd

from sysstop.analysis.hosts import host_table
from sysstop.report.subject import Subject
from sysstop.report.text_tables import ReportTable
from sysstop.report.wording import counted, in_words, out_of, pair_label, spoken
from sysstop.results.core_share import CRITERIA, counted_criteria
from sysstop.study.keys import PAIR, STUDY

# Columns of the environment that may make a host measure differently.
DIFFERENCES = (
    "cpu_model",
    "cores",
    "usable_cores",
    "governor",
    "memory_gb",
    "blas",
    "system",
    "python",
    "scikit_learn",
    "numpy",
    "scipy",
)


def host_digest(hosts: pd.DataFrame) -> pd.DataFrame:
    """Return the table of hosts as readers see it; one host alone has nothing to compare."""
    if len(hosts) < 2:
        hosts = hosts.iloc[:0]
    return pd.DataFrame(
        {
            "Host": hosts["host"],
            "CPU model": hosts["cpu_model"],
            "Cores": hosts["cores"],
            "Studies": hosts["studies"],
            "Trials": hosts["trials"],
            "Failed": hosts["failed_trials"],
            "Steady step time against the mean of the hosts (%)": 100
            * hosts["steady_step_time_ratio"],
            "Wall step time against it (%)": 100 * hosts["step_time_ratio"],
            "Configurations compared": hosts["compared_configurations"],
        }
    )


HOSTS_TABLE = ReportTable(
    name="hosts",
    title="Hosts",
    sources=("trials", "environment"),
    in_papers=False,
    digest=lambda data: host_digest(host_table(data.tables["trials"], data.tables["environment"])),
    note=(
        "Step times: the median over the configurations that completed on several hosts, each "
        "compared with the mean of these hosts; a dash means that no configuration did. All hosts "
        "share the nominal of the reference step."
    ),
)


def host_limitations(trials: pd.DataFrame, environment: pd.DataFrame) -> list[str]:
    """Say what it means for the measurement that more than one host measured, if that is so."""
    measured = trials[trials["host"] != ""]
    hosts = sorted(measured["host"].unique())
    if len(hosts) < 2:
        return []
    hosts_of_study = measured.groupby(STUDY)["host"].nunique()
    mixed, studies = int((hosts_of_study > 1).sum()), len(hosts_of_study)
    where = (
        f"In {out_of(mixed, studies, 'study', 'studies')} the trials ran on more than one host"
        if mixed
        else "Each study ran on one host, but not all on the same"
    )
    notes = [
        f"{where} ({counted(len(hosts), 'host')}: {in_words(hosts)}). A difference between hosts "
        "counts as noise of the readings of time and CPU, or as an effect where it happens to follow "
        "the grid or the arms. Steady time takes out how fast a host is, as far as the reference step "
        "shows it. The table of hosts shows how much longer steps took on each, in steady and in wall "
        "time, and the column host of trials.parquet names each trial's host."
    ]
    return [*notes, *_differences(environment), *_unknown_loads(environment)]


def _differences(environment: pd.DataFrame) -> list[str]:
    values = environment.groupby("host").first()
    differing = [name for name in DIFFERENCES if name in values and values[name].nunique() > 1]
    if not differing:
        return []
    found = [
        f"{spoken(name).replace('cpu', 'CPU')} ("
        + in_words([f"{value} on {in_words(list(on.index))}" for value, on in values.groupby(name)])
        + ")"
        for name in differing
    ]
    return [
        f"The hosts are not alike: they differ in {in_words(found)}. Do not "
        "compare wall times read on different hosts; compare within a host, or search on hosts of one "
        "kind."
    ]


def _unknown_loads(environment: pd.DataFrame) -> list[str]:
    load = environment.groupby("host")["load_before_max"].max()
    unknown = sorted(load.index[np.isnan(load)])
    if not unknown:
        return []
    return [
        f"How busy {in_words(unknown)} {'was' if len(unknown) == 1 else 'were'} with something else is "
        "not known: load is read only on the host from which a study is searched."
    ]


def shared_core_limitations(trials: pd.DataFrame) -> list[str]:
    """Say which trials did not have a core for themselves, if there are any."""
    concerned = trials[trials["core_share"] != ""]
    if concerned.empty:
        return []
    reasons = [
        f"{CRITERIA[name]} ({counted(count, 'trial')})"
        for name, count in counted_criteria(concerned["core_share"]).items()
        if count
    ]
    pairs = [
        f"{pair_label(*pair)}: {count}"
        for pair, count in concerned.groupby(PAIR, sort=False).size().items()
    ]
    return [
        f"{out_of(len(concerned), len(trials), 'trial').capitalize()} did not have a core for "
        f"themselves: {'; '.join(reasons)}. Their wall times are too long; steady times hardly "
        f"({'; '.join(pairs)}). The column core_share of trials.parquet marks them."
    ]


HOSTS = Subject(
    name="hosts",
    tables=(HOSTS_TABLE,),
    limitations=lambda data: [
        *host_limitations(data.tables["trials"], data.tables["environment"]),
        *shared_core_limitations(data.tables["trials"]),
    ],
)
