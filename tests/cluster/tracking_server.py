"""A private PostgreSQL and an MLflow server on it, both on the loopback interface."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

USER = "runs"
SYSTEM_USER = "postgres"  # PostgreSQL refuses to run as root
START_TIMEOUT_S = 180


def postgresql_programs():
    """The folder of PostgreSQL's programs, or None where it is not installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("pg_ctl"):
        folders.insert(0, Path(found).resolve().parent)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class PostgreSQL:
    """A server with a fresh cluster of databases in a temporary folder."""

    def __init__(self, programs, databases):
        self._programs, self.port = programs, free_port()
        self.password = secrets.token_hex(16)
        self.environment = {"PGPASSWORD": self.password}
        self._folder = Path(tempfile.mkdtemp(prefix="postgresql-", dir="/tmp"))
        password_file = self._folder / "password"
        password_file.write_text(self.password)
        if os.getuid() == 0:
            shutil.chown(self._folder, SYSTEM_USER)
            shutil.chown(password_file, SYSTEM_USER)
        asks = ["--auth=scram-sha-256", f"--pwfile={password_file}", f"--username={USER}"]
        self._run("initdb", f"--pgdata={self._folder}/data", "--no-sync", *asks)
        options = f"-h 127.0.0.1 -p {self.port} -k {self._folder}"
        log = f"--log={self._folder}/log"
        self._control("start", "-w", log, "-o", options)
        for database in databases:
            self._as_client("createdb", database)

    def uri(self, database, password=""):
        user = f"{USER}:{password}" if password else USER
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def dump(self, database):
        """All that a database holds, as text."""
        return self._as_client("pg_dump", database).stdout

    def stop(self):
        self._control("stop", "-m", "fast")
        shutil.rmtree(self._folder)

    def _control(self, *arguments):
        self._run("pg_ctl", f"--pgdata={self._folder}/data", *arguments)

    def _run(self, program, *arguments):
        """Run one of the server's programs as the user that may run it."""
        user = ["runuser", "-u", SYSTEM_USER, "--"] if os.getuid() == 0 else []
        command = [*user, str(self._programs / program), *arguments]
        # The server would keep a pipe open, so its output goes to a file.
        with (self._folder / "output").open("w+") as output:
            run = subprocess.run(
                command, cwd=self._folder, stdout=output, stderr=subprocess.STDOUT, check=False
            )
            output.seek(0)
            assert run.returncode == 0, output.read()

    def _as_client(self, program, database):
        where = ["--host=127.0.0.1", f"--port={self.port}", f"--username={USER}"]
        return subprocess.run(
            [str(self._programs / program), *where, database],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=True,
        )


class TrackingServer:
    """An MLflow server on two databases, of runs and of users, which asks for a password."""

    def __init__(self, postgres, folder):
        self.address = f"http://127.0.0.1:{(port := free_port())}"
        self.password = secrets.token_hex(16)
        self.credentials = {
            "MLFLOW_TRACKING_USERNAME": "admin",
            "MLFLOW_TRACKING_PASSWORD": self.password,
        }
        users = folder / "users.ini"
        users.write_text(
            f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {postgres.uri('users')}\n"
        )
        environment = {
            "MLFLOW_AUTH_CONFIG_PATH": str(users),
            "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
            "MLFLOW_AUTH_ADMIN_PASSWORD": self.password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        self.log = folder / "server.log"
        command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"]
        command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "2"]
        command += ["--backend-store-uri", postgres.uri("runs")]
        command += ["--artifacts-destination", str(folder / "artifacts")]
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | postgres.environment | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_up():
            assert self._process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.2)

    def _is_up(self):
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"{self.address}/health", timeout=2).status == 200

    def stop(self):
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
