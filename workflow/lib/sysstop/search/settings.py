"""How the trials of a study are run: the settings of a search, and how many run at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sysstop.study.studies import LOCAL_RAY


@dataclass(frozen=True)
class SearchSettings:
    """What a search is given beside its study."""

    workers: int
    """how many trials may run at once"""
    ray_address: str = LOCAL_RAY
    seed: int = 0
    """the study's, from which each trial's seed and the order of the trials follow"""
    code: str = ""
    """a digest of the code that decides the results"""
    trial_timeout_s: float | None = None
    """after so long a trial fails; None is never"""
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
