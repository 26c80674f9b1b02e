"""How busy a host is while trials are measured on it, and when that is too busy to trust them."""

import os
import time
from collections.abc import Mapping

import psutil

# Shares of the host's CPU time, in percent, above which readings of time are in doubt. The search
# itself (Ray and its driver) takes a few percent.
BUSY_PERCENT = 15.0
STOLEN_PERCENT = 5.0
# In less time than this, starting and ending the search weighs too much to judge.
SHORTEST_S = 5.0


class HostLoad:
    """The CPU time of this host since the object was made, and its load before."""

    def __init__(self) -> None:
        self.load_before = os.getloadavg()[0]
        self._began_s = time.monotonic()
        self._times = psutil.cpu_times()

    def read(self, trials_cpu_s: float) -> dict[str, float]:
        """Return who used the CPU time of all cores, in percent of it.

        `other_cpu_percent` is what was neither idle nor used by the trials (`trials_cpu_s`
        seconds), `stolen_cpu_percent` what the hypervisor gave to other machines; `load_before` is
        the number of processes that wanted a core in the minute before the search;
        `load_observed_s` is the time since the object was made.
        """
        now = psutil.cpu_times()
        observed_s = time.monotonic() - self._began_s
        available_s = observed_s * (psutil.cpu_count() or 1)
        spent_s = {name: getattr(now, name) - getattr(self._times, name) for name in now._fields}
        # Linux counts a guest's time in user and nice as well.
        busy_s = sum(
            seconds
            for name, seconds in spent_s.items()
            if name not in ("idle", "iowait", "steal", "guest", "guest_nice")
        )
        return {
            "load_before": self.load_before,
            "load_observed_s": observed_s,
            "other_cpu_percent": max(0.0, 100 * (busy_s - trials_cpu_s) / available_s),
            "stolen_cpu_percent": 100 * spent_s.get("steal", 0.0) / available_s,
        }


def busy_warning(load: Mapping[str, float]) -> str:
    """Return a warning where the host was too busy for its readings to be trusted, or nothing.

    `load` is what `HostLoad.read` returned, or empty where nothing was measured.
    """
    if load.get("load_observed_s", 0) < SHORTEST_S:
        return ""
    reasons = []
    if load["other_cpu_percent"] > BUSY_PERCENT:
        reasons.append(
            f"{load['other_cpu_percent']:.0f} % of its CPU time went to something other than the "
            f"trials (at most {BUSY_PERCENT:.0f} % is usual)"
        )
    if load["stolen_cpu_percent"] > STOLEN_PERCENT:
        reasons.append(
            f"{load['stolen_cpu_percent']:.0f} % of its CPU time was taken by other virtual machines"
        )
    if not reasons:
        return ""
    return (
        f"WARNING: the machine was busy: {' and '.join(reasons)}. Wall times may be too long; if they "
        "matter, repeat the study on a quiet machine with --forcerun search."
    )
