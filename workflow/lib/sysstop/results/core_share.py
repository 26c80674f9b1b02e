"""Which trials did not have a core for themselves, so that their wall times are in doubt."""

from collections.abc import Iterable
from statistics import fmean

from sysstop.results.journal import FinishedTrial

UNPINNED, SHARED = "unpinned", "shared"
LEAST_CPU_PERCENT = 90.0
CRITERIA = {
    UNPINNED: "all cores were reserved for other trials",
    SHARED: f"a core spent less than {LEAST_CPU_PERCENT:.0f} % of the training's time on it",
}
"""What says that a trial did not have a core for itself. A core that is reserved may still be used by
others, or a container may allow only a part of its time."""


def core_share(trial: FinishedTrial) -> str:
    """Return which of `CRITERIA` a trial meets, joined by commas.

    CPU is the mean over its windows. A trial that failed in its first window is not judged.
    """
    cpu_percent = trial.windows["cpu_percent"]
    if not len(cpu_percent):
        return ""
    met = {UNPINNED: trial.core is None, SHARED: fmean(cpu_percent) < LEAST_CPU_PERCENT}
    return ",".join(name for name, is_so in met.items() if is_so)


def counted_criteria(core_shares: Iterable[str]) -> dict[str, int]:
    """Return how many trials meet each of `CRITERIA`, by what `core_share` returned for each."""
    met = [share.split(",") for share in core_shares]
    return {name: sum(name in names for names in met) for name in CRITERIA}


def core_share_warning(core_shares: Iterable[str]) -> str:
    """Return a warning where trials did not have a core for themselves, or nothing."""
    core_shares = list(core_shares)
    concerned = sum(map(bool, core_shares))
    if not concerned:
        return ""
    reasons = " and ".join(
        f"{CRITERIA[name]} ({count})"
        for name, count in counted_criteria(core_shares).items()
        if count
    )
    return (
        f"WARNING: {concerned} of {len(core_shares)} trials did not have a core for themselves: "
        f"{reasons}. Their wall times are too long; end what else runs here, or lower search.workers, "
        "and repeat the study with --forcerun search."
    )
