"""Which trials did not have a core for themselves, so that their wall times are in doubt."""

from collections.abc import Iterable, Mapping
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
IN_SHORT = {
    UNPINNED: "had no core of their own",
    SHARED: f"had less than {LEAST_CPU_PERCENT:.0f} % of a core",
}


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


def core_share_warning(met: Mapping[str, int], trials: int) -> str:
    """Return a warning where some of a search's trials met a criterion, or nothing.

    `met` is what `counted_criteria` returned for its `trials`.
    """
    found = [f"{count} of {trials} trials {IN_SHORT[name]}" for name, count in met.items() if count]
    if not found:
        return ""
    return f"WARNING: {' and '.join(found)}: wall times too long, steady times not"
