"""A SLURM cluster of one node, this machine, without systemd and reachable only from here."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

# Where programs look by default, such as those that Snakemake starts within a job.
SYSTEM_CONFIG = Path("/etc/slurm/slurm.conf")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")
PARENT = Path("/tmp")  # because munged requires every folder above its socket to be open to all
FOLDER_PREFIX = "slurm-test-"
CONFIG_NAME = "slurm.conf"

CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=10
MinJobAge=3600
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory_mb}
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE DefMemPerCPU=512
"""


@dataclass(frozen=True)
class Job:
    """A job as SLURM reports it; `limit` is its time limit, `sharing` NO for a node of its own."""

    id: str
    state: str
    rule: str
    limit: str
    memory: str
    cores: str
    sharing: str


@dataclass
class SlurmCluster:
    """The cluster's daemons, which are children of this process, and its commands."""

    folder: Path
    daemons: dict[str, subprocess.Popen] = field(default_factory=dict)

    def start(self):
        """Write the configuration, start the daemons and wait until the node takes jobs."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        self._write_config()
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        self.start_daemon(
            "munged",
            "--foreground",
            f"--key-file={key}",
            f"--socket={self.folder}/munge.socket",
            f"--pid-file={self.folder}/munged.pid",
            f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/munged.seed",
        )
        self._wait_for(lambda: (self.folder / "munge.socket").exists(), "munged's socket")
        self.start_controller()
        self.start_daemon("slurmd", "-D", "-f", self.config)
        self._wait_for(lambda: self.command("sinfo", "-h", "-o", "%T") == "idle\n", "the node")

    @property
    def config(self):
        return self.folder / CONFIG_NAME

    def start_daemon(self, program, *arguments):
        with (self.folder / f"{program}.out").open("a") as output:
            self.daemons[program] = subprocess.Popen(
                # The daemon dies with this process, even if that is killed.
                ["setpriv", "--pdeathsig", "KILL", program, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tests, which then stop the daemons
            )

    def start_controller(self):
        self.start_daemon("slurmctld", "-D", "-f", self.config)

    def stop_daemon(self, program, seconds=30):
        daemon = self.daemons.pop(program)
        daemon.terminate()
        try:
            daemon.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def command(self, *command):
        """The output of one of SLURM's commands, empty where it failed."""
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def searches(self):
        """The jobs that search, the oldest first, including those that have ended."""
        return [job for job in self.jobs() if job.rule == "search"]

    def jobs(self):
        """All jobs of this cluster, the oldest first, including those that have ended."""
        lines = self.command("squeue", "-h", "-t", "all", "-S", "i", "-o", "%i|%T|%k|%l|%m|%C|%h")
        fields = [line.split("|") for line in lines.splitlines()]
        return [
            Job(job, state, comment.removeprefix("rule_").split("_wildcards_")[0], *rest)
            for job, state, comment, *rest in fields
        ]

    def job_processes(self, text=""):
        """The living processes of jobs, also detached, whose command line contains a text."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if "SLURM_JOB_ID" in process.environ() and text in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def cancel_all(self, seconds=60):
        """Cancel all jobs and wait until nothing is left of them."""
        for job in self.jobs():
            self.command("scancel", job.id)
        self._wait_for(lambda: not self.job_processes(), "the end of cancelled jobs", seconds)

    def stop(self):
        """End all jobs and daemons; remove every file."""
        if {"slurmctld", "slurmd"} <= self.daemons.keys():
            with contextlib.suppress(TimeoutError):
                self.cancel_all()
        for process in self.job_processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for program in reversed(list(self.daemons)):
            self.stop_daemon(program)
        remove_files(self.folder)

    def _write_config(self):
        memory_mb = psutil.virtual_memory().total // 2**20 - 512
        settings = {
            "folder": self.folder,
            "host": socket.gethostname().split(".")[0],
            "user": psutil.Process().username(),
            "controller_port": free_port(),
            "node_port": free_port(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_mb": memory_mb,
        }
        self.config.write_text(CONFIG.format(**settings))
        SYSTEM_CONFIG.unlink(missing_ok=True)
        SYSTEM_CONFIG.symlink_to(self.config)

    def _wait_for(self, condition, what, seconds=30):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = [file.read_text()[-1000:] for file in self.folder.glob("*.out")]
                raise TimeoutError(f"waited {seconds} s in vain for {what}:\n" + "\n".join(logs))
            time.sleep(0.1)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def why_not_here():
    """Why no cluster can be started on this machine, or nothing."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        return f"{', '.join(missing)} not found: install slurmctld, slurmd, slurm-client and munge"
    if os.geteuid() != 0:
        return "only root may start SLURM's daemons"
    if SYSTEM_CONFIG.exists():
        return f"{SYSTEM_CONFIG.resolve()} belongs to another cluster"
    return ""


def remove_files(folder):
    """Remove a cluster's folder, and the system's configuration if it is that cluster's."""
    if SYSTEM_CONFIG.is_symlink() and SYSTEM_CONFIG.readlink() == folder / CONFIG_NAME:
        SYSTEM_CONFIG.unlink()
    shutil.rmtree(folder)


def remove_leftovers():
    """Remove the files of clusters whose tests were killed: those that no process uses."""
    commands = [
        " ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])
    ]
    for folder in PARENT.glob(f"{FOLDER_PREFIX}*"):
        if not any(str(folder) in command for command in commands):
            remove_files(folder)


@contextlib.contextmanager
def running_cluster():
    """A cluster for as long as the context lasts; afterwards nothing of it is left."""
    cluster = SlurmCluster(Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=PARENT)))
    cluster.folder.chmod(0o755)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
