"""A Ray cluster on this machine: a head without CPUs, and worker nodes like separate hosts.

A worker node has its own host name, its own processes and its own /tmp, and sees nothing else of
the project: neither data nor library. It ends as a whole when its first process is killed, as in a
power cut. Everything, including the driver, is in a separate network that is only a loopback
interface, because the nodes of a Ray cluster listen on every interface.
"""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.project import ROOT

RAY = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
RAY += ["--node-ip-address=127.0.0.2", f"--object-store-memory={80 * 2**20}"]
# Otherwise nodes on one host would want the same ports.
RAY += ["--min-worker-port=0", "--max-worker-port=0", "--dashboard-agent-listen-port=0"]
START_TIMEOUT_S = 120
DIES_WITH_THE_TEST = ["setpriv", "--pdeathsig", "KILL"]
HOST = ["unshare", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
NETWORK = """
import fcntl, signal, socket, struct
UP, SET_FLAGS = 1, 0x8914
fcntl.ioctl(socket.socket(), SET_FLAGS, struct.pack("16sh", b"lo", UP))
print("up", flush=True)
signal.pause()
"""


def missing():
    """Why this system cannot run nodes like separate hosts; empty if it can."""
    if os.getuid() != 0:
        return "only root may give a node a host name and a network of its own"
    if not shutil.which("unshare") or not shutil.which("nsenter"):
        return "there is no unshare or nsenter, which give a node a host name of its own"
    trial = [*HOST, "unshare", "--net", "hostname", "another"]
    if subprocess.run(trial, check=False, capture_output=True).returncode:
        return "this system does not let us give a node a host name and a network of its own"
    return ""


class Head:
    """The head of the cluster, on this host; it runs no trials."""

    def __init__(self, folder):
        self._network = subprocess.Popen(
            [*DIES_WITH_THE_TEST, "unshare", "--net", sys.executable, "-c", NETWORK],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._network.stdout.readline() == "up\n"
        self.inside = [*DIES_WITH_THE_TEST, "nsenter", f"--net=/proc/{self._network.pid}/ns/net"]
        self.address = "127.0.0.2:6379"
        self.temporary_folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        self.environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": os.urandom(32).hex()}
        self._log = folder / "head.log"
        command = [*self.inside, *RAY, "--head", "--port=6379", "--num-cpus=0"]
        command.append("--include-dashboard=false")
        command.append(f"--temp-dir={self.temporary_folder}")
        self._process = start(command, self.environment, self._log)

    def stop(self):
        """End the head's processes, each by its id."""
        if self._process.poll() is not None:
            return
        processes = [self._process, *psutil.Process(self._process.pid).children(recursive=True)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        self._network.kill()
        self._network.wait()
        shutil.rmtree(self.temporary_folder, ignore_errors=True)


class WorkerNode:
    """A node that runs trials, in namespaces of its own."""

    def __init__(self, name, head, folder, cpu_model="", cpus=1):
        self.name = name
        hide = [
            f"hostname {name}",
            # Python stays where it is, even if that is below /tmp.
            f"mount --bind {shlex.quote(sys.prefix)} /mnt",
            "mount -t tmpfs tmpfs /tmp",
            f"mkdir -p {shlex.quote(sys.prefix)}",
            f"mount --bind /mnt {shlex.quote(sys.prefix)}",
            f"[ ! -d {shlex.quote(str(ROOT / 'workflow'))} ] || "
            f"mount -t tmpfs tmpfs {shlex.quote(str(ROOT / 'workflow'))}",
        ]
        if cpu_model:
            hide += [
                f"sed 's/^model name.*/model name\\t: {cpu_model}/' /proc/cpuinfo > /tmp/cpuinfo",
                "mount --bind /tmp/cpuinfo /proc/cpuinfo",
            ]
        command = [*RAY, f"--address={head.address}", f"--num-cpus={cpus}"]
        script = "\n".join([*hide, f"exec {shlex.join(command)}"])
        inside = [*head.inside, *HOST, "sh", "-ec", script]
        self._process = start(inside, head.environment, folder / f"{name}.log")

    @property
    def root(self):
        """The node's file system as it sees it."""
        return Path(f"/proc/{self._process.pid}/root")

    def copies(self):
        """The copies of data sets on the node: their names, each with the file's own number."""
        found = {}
        for file in (self.root / "tmp").glob("sysstop-data-*/*/train_features.npy"):
            with contextlib.suppress(FileNotFoundError):
                found[file.parent.name] = file.stat().st_ino
        return found

    def trials_at_work(self):
        """The processes that train; one that waits for its request uses no processor time."""
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                template = "sysstop.trial.template" in process.cmdline()
                if template and not process.children() and process.cpu_percent(0.1) > 20:
                    found.append(process)
        return found

    def processes(self):
        return psutil.Process(self._process.pid).children(recursive=True)

    def kill(self):
        """Kill all processes of the node at once."""
        self._process.kill()
        self._process.wait()


def start(command, environment, log):
    """Start a node and wait until it is up."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            env=os.environ | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_TIMEOUT_S
    while "Ray runtime started" not in log.read_text():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.2)
    return process
