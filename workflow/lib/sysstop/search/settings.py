"""How the trials of a study are run: the settings of a search, and how many run at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sysstop.run.machine import this_machine
from sysstop.run.provenance import for_readers
from sysstop.study.rules import ArmRule, comparing_part
from sysstop.study.studies import LOCAL_RAY
from sysstop.study.wording import counted


@dataclass(frozen=True)
class SearchSettings:
    """How a study is searched."""

    workers: int
    """how many trials may run at once"""
    ray_address: str = LOCAL_RAY
    seed: int = 0
    """the study's seed, from which each trial's seed and the order of the trials follow"""
    code: str = ""
    """a digest of the code that determines the results"""
    trial_timeout_s: float | None = None
    """a trial that takes longer fails; None for no limit"""
    max_failed_fraction: float = 0.0
    """a search ends as soon as a larger share of its trials failed"""


def trials_at_once(workers: int, ray_cores: int) -> int:
    """Return how many trials run at once: `workers`, but no more than one for each core of Ray."""
    return max(1, min(workers, ray_cores))


def expected_trials_at_once(search: Mapping[str, Any], cores: int) -> int:
    """Return how many trials will run at once, by the config's section `search`.

    The private Ray gets this host's `cores`. Those of a cluster are not known until a search has
    joined it.
    """
    local = search["ray_address"] == LOCAL_RAY
    return trials_at_once(search["workers"], cores) if local else search["workers"]


def trials_at_once_here(search: Mapping[str, Any], cores: int) -> int:
    """Return how many trials of a search on this machine run at once.

    That is no more than the machine has cores, whatever number of `cores` Snakemake was given,
    because trials that share a core slow each other down.
    """
    return expected_trials_at_once(search, min(cores, this_machine().whole_cores))


def few_cores_warning(search: Mapping[str, Any], cores: int) -> str:
    """Return a warning where this machine has fewer cores than trials are to run, or nothing.

    `cores` is the number given to Snakemake.
    """
    wanted, possible = expected_trials_at_once(search, cores), trials_at_once_here(search, cores)
    if possible == wanted:
        return ""
    usable = this_machine().usable_cores
    return (
        f"WARNING: {possible} instead of {wanted} trials (search.workers, --cores) will run at a time, "
        f"because this machine, or the limit of a container, has {usable:g} "
        f"{'core' if usable == 1 else 'cores'} for them. Trials that share a core slow each other down."
    )


@for_readers
def few_trials_warning(rule: ArmRule | None, trials: int, at_once: int) -> str:
    """Return a warning where a rule compares trials that all run at once, or nothing.

    `trials` is the number of the study's trials, `at_once` how many of them can run at a time.
    """
    comparing = comparing_part(rule)
    if comparing is None or at_once < trials:
        return ""
    return (
        f"WARNING: this study has {counted(trials, 'trial')} and {at_once} can run at once, so none begins "
        f"after another has ended: the rule '{comparing.name}', which compares them, can stop little. Search a "
        "larger grid, or lower search.workers."
    )
