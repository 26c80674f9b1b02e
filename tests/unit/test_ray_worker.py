"""Ray's workers are forked from the run's server for them, and Ray cannot tell."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
import ray
from ray.exceptions import WorkerCrashedError

from sysstop.run.environment import LIBRARY_FOLDER
from sysstop.run.job_server import RAY_WORKERS
from sysstop.search.ray_session import ray_session

pytestmark = pytest.mark.machine

# A module that nothing else imports, to see whether a worker found it imported.
WARM = "colorsys"


@pytest.fixture
def server(serve):
    return serve({RAY_WORKERS: [WARM]})


@ray.remote(max_retries=0)
def looked_around():
    return os.getpid(), WARM in sys.modules, ray.get_runtime_context().get_job_id()


@ray.remote(max_retries=0)
def died():
    os.kill(os.getpid(), signal.SIGKILL)


def test_each_search_has_warm_workers_of_its_own(server):
    found = []
    for _ in range(2):
        with ray_session("local", workers=1):
            found.append(ray.get(looked_around.remote()))
            assert found[-1][2] == ray.get_runtime_context().get_job_id()
    (first, first_is_warm, _), (second, second_is_warm, _) = found
    assert first_is_warm and second_is_warm
    assert first != second
    assert server.poll() is None


def test_no_worker_outlives_its_search(server):
    with ray_session("local", workers=1):
        worker = psutil.Process(ray.get(looked_around.remote())[0])
    worker.wait(timeout=30)


def test_a_worker_that_dies_is_replaced(server):
    with ray_session("local", workers=1):
        with pytest.raises(WorkerCrashedError):
            ray.get(died.remote())
        assert ray.get(looked_around.remote())[1]


def test_without_a_server_workers_import_for_themselves():
    with ray_session("local", workers=1):
        assert not ray.get(looked_around.remote())[1]


def test_the_environment_may_be_in_a_folder_with_spaces_and_quotation_marks(tmp_path):
    folder = tmp_path / 'it\'s "mine"'
    folder.mkdir()
    (folder / ".venv").symlink_to(sys.prefix)
    program = f"""
import os, sys
sys.path.insert(0, {str(LIBRARY_FOLDER)!r})
from sysstop.search.ray_head import private_environment
os.environ |= private_environment(os.getpid())
import ray
from sysstop.search.ray_session import ray_session
with ray_session("local", workers=1):
    print(ray.get(ray.remote(lambda: sys.executable).remote()))
"""
    python = folder / ".venv" / "bin" / "python"
    run = subprocess.run([python, "-c", program], stdout=subprocess.PIPE, text=True, timeout=120)
    assert run.stdout.strip() == str(python)
