"""The nodes of the Ray cluster that a search runs on: which of them have been lost."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import ray

LOOK_INTERVAL_S = 5.0
# Ray reports at once that a trial's actor is gone, but only after some failed health checks that
# its node was lost.
LOSS_TIMEOUT_S = 60.0


@dataclass
class NodeWatch:
    """Watches the nodes and logs when one is lost."""

    log: Callable[[str], None]
    lost_hosts: list[str] = field(default_factory=list)
    _hosts: dict[str, str] = field(default_factory=dict)
    _looked: float = 0.0

    def look(self) -> None:
        """Look at the nodes, unless they were looked at a moment ago."""
        if time.monotonic() - self._looked < LOOK_INTERVAL_S:
            return
        self._looked = time.monotonic()
        living = {
            node["NodeID"]: node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]
        }
        lost = sorted(self._hosts[node] for node in self._hosts.keys() - living)
        self._hosts = living
        self.lost_hosts += lost
        for host in lost:
            cpus = int(ray.cluster_resources().get("CPU", 0))
            waits = "" if cpus else "; the search waits until a node with CPUs joins"
            self.log(
                f"WARNING: the node on {host} left the Ray cluster; the trials that ran there fail, "
                f"the others go on with the {cpus} CPUs that are left{waits}"
            )

    def await_losses(self, hosts: Collection[str]) -> None:
        """Wait until it is known whether the nodes on these hosts, whose trials failed, were lost.

        A host's name is empty if it is not known where a trial ran.
        """
        deadline = time.monotonic() + LOSS_TIMEOUT_S
        while len(self._hosts) > 1 and time.monotonic() < deadline:
            self.look()
            if all(self.reason_of_loss(host) for host in hosts):
                return
            time.sleep(LOOK_INTERVAL_S / 5)

    def reason_of_loss(self, host: str) -> str:
        """Return why a trial failed if the node on its host was lost; empty if it was not."""
        if host in self.lost_hosts:
            return f"the node on {host} was lost while the trial ran there"
        if not host and self.lost_hosts:
            lost = " or ".join(dict.fromkeys(self.lost_hosts))
            return f"the node on {lost} was lost while the trial began there"
        return ""
