"""How long jobs take if a limited number run at a time."""

import heapq
from collections import defaultdict, deque
from collections.abc import Hashable, Mapping


def schedule_length(
    lengths: Mapping[Hashable, float], after: Mapping[Hashable, Hashable], places: int
) -> float:
    """Return when the last job ends if `places` of them run at a time.

    They start in the order of `lengths` as soon as there is a place, but none before the end of the
    one that `after` names for it.
    """
    waiting = defaultdict(list)
    for job, earlier in after.items():
        waiting[earlier].append(job)
    ready = deque(job for job in lengths if job not in after)
    running: list[tuple[float, int, Hashable]] = []
    now = 0.0
    for started in range(len(lengths)):
        while not ready or len(running) == places:
            now, _, ended = heapq.heappop(running)
            ready.extend(waiting[ended])
        job = ready.popleft()
        # The count keeps jobs that end at the same time from being compared.
        heapq.heappush(running, (now + lengths[job], started, job))
    return max((end for end, _, _ in running), default=0.0)
