"""Jobs are forked from warm processes, and neither they nor their callers can tell."""

import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from sysstop.run.environment import LIBRARY_FOLDER
from sysstop.run.folder import OWNER_VARIABLE, run_folder
from sysstop.run.job_server import JOBS

# Modules that nothing else imports, to see whether a job found them imported.
WARM, WARMER = "colorsys", "sndhdr"
BEGIN = f"""
import sys
sys.path.insert(0, {str(LIBRARY_FOLDER)!r})
from pathlib import Path
from sysstop.run.job_server import hand_over
hand_over(Path(__file__), *sys.argv[1:], server=sys.argv[1], log=Path(__file__).with_suffix(".log"))
import os, signal, time
"""


@pytest.fixture
def server(serve):
    return serve({JOBS: [WARM]})


@pytest.fixture
def start(tmp_path):
    def start(body, server=JOBS, arguments=(), **settings):
        script = tmp_path / "script.py"
        script.write_text(BEGIN + body)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(
            [sys.executable, str(script), server, *arguments], **pipes, **settings
        )

    return start


@pytest.fixture
def run(start):
    def run(body, **settings):
        process = start(body, **settings)
        stdout, stderr = process.communicate()
        return process.returncode, stdout, stderr

    return run


def wait_for_end(pid):
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_job_finds_everything_imported(server, run):
    code, stdout, stderr = run(f"print({WARM!r} in sys.modules, __name__)")
    assert (code, stdout, stderr) == (0, "True __main__\n", "")


def test_a_job_has_its_arguments(server, run):
    assert run("print(sys.argv[1:])", arguments=["a", "b c"])[1] == "['jobs', 'a', 'b c']\n"


def test_each_server_has_what_those_before_it_have_imported(serve, run):
    serve({"first": [WARM], JOBS: [WARMER]})
    body = f"print([name in sys.modules for name in ({WARM!r}, {WARMER!r})])"
    found = [run(body, server=name)[1] for name in ("first", JOBS)]
    assert found == ["[True, False]\n", "[True, True]\n"]


def test_servers_end_with_the_first(serve, start):
    first = serve({"first": [WARM], JOBS: [WARMER]})
    caller = start("print(os.getpid(), flush=True); time.sleep(600)")
    job = int(caller.stdout.readline())
    first.kill()
    first.wait()
    assert caller.wait() == 1
    wait_for_end(job)


def test_servers_end_with_a_run_that_is_killed_at_once():
    begin = f"""
import os, signal, sys
sys.path.insert(0, {str(LIBRARY_FOLDER)!r})
from sysstop.run.job_server import start_servers
print(start_servers({{"first": [{WARM!r}], "jobs": [{WARMER!r}]}}).pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    run = subprocess.run([sys.executable, "-c", begin], stdout=subprocess.PIPE, text=True)
    assert run.returncode == -signal.SIGKILL
    wait_for_end(int(run.stdout))


def test_a_job_outside_a_run_imports_for_itself(server, run, monkeypatch):
    monkeypatch.delenv(OWNER_VARIABLE)
    assert run(f"print({WARM!r} in sys.modules)") == (0, "False\n", "")


def test_a_job_of_a_server_that_has_ended_imports_for_itself(server, run):
    server.kill()
    server.wait()
    assert run(f"print({WARM!r} in sys.modules)") == (0, "False\n", "")


def test_a_job_of_another_run_imports_for_itself(server, run):
    """A cluster's job has a run of its own, also on the host from which it was submitted."""
    with subprocess.Popen(["sleep", "600"]) as owner:
        other = os.environ | {OWNER_VARIABLE: str(owner.pid)}
        found = run(f"print({WARM!r} in sys.modules)", env=other)
        shutil.rmtree(run_folder(owner.pid))
        owner.kill()
    assert found == (0, "False\n", "")


def test_a_module_that_cannot_be_imported_is_left_to_the_jobs_that_need_it(serve, run):
    serve({JOBS: ["no_such_module"]}).wait()
    assert run("print('done')") == (0, "done\n", "")


def test_a_job_has_its_callers_folder_environment_and_streams(server, run, tmp_path):
    body = (
        "print(os.getcwd(), os.environ['GIVEN']); print('aside', file=sys.stderr); print(input())"
    )
    given = os.environ | {"GIVEN": "so"}
    with (tmp_path / "input").open("w+") as words:
        words.write("asked")
        words.flush()
        words.seek(0)
        found = run(body, cwd=tmp_path, env=given, stdin=words)
    assert found == (0, f"{tmp_path} so\nasked\n", "aside\n")


def test_one_job_leaves_nothing_to_the_next(server, run):
    assert run("os.environ['LEFT'] = 'x'; sys.left = 'x'")[0] == 0
    assert run("print('LEFT' in os.environ, hasattr(sys, 'left'))")[1] == "False False\n"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("sys.exit(3)", 3),
        ("os._exit(4)", 4),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
    ],
)
def test_a_callers_end_is_that_of_its_job(server, run, body, code):
    assert run(body)[0] == code


def test_an_error_is_told_with_its_traceback(server, run):
    code, _, stderr = run("raise ValueError('what is wrong')")
    assert code == 1
    assert "Traceback" in stderr and stderr.endswith("ValueError: what is wrong\n")


def test_what_a_job_leaves_for_its_exit_is_done(server, run):
    assert run("import atexit; atexit.register(print, 'late')") == (0, "late\n", "")


def test_a_job_waits_for_its_threads(server, run):
    body = """
import threading
threading.Thread(target=lambda: (time.sleep(0.2), print("late"))).start()
"""
    assert run(body) == (0, "late\n", "")


def test_a_signal_to_the_group_of_a_job_is_for_that_job_alone(server, run):
    assert run("os.killpg(0, signal.SIGKILL)")[0] == -signal.SIGKILL
    assert server.poll() is None
    assert run(f"print({WARM!r} in sys.modules)")[1] == "True\n"


def test_a_job_dies_with_its_caller(server, start):
    caller = start("print(os.getpid(), flush=True); time.sleep(600)")
    job = int(caller.stdout.readline())
    assert job != caller.pid
    caller.kill()
    caller.communicate()
    wait_for_end(job)


def test_a_job_dies_with_its_server_and_says_so(server, start, tmp_path):
    caller = start("print(os.getpid(), flush=True); time.sleep(600)")
    job = int(caller.stdout.readline())
    server.kill()
    _, stderr = caller.communicate()
    wait_for_end(job)
    assert caller.returncode == 1
    assert stderr.startswith(
        "error: The process that this job was forked from has died, for example"
    )
    assert (tmp_path / "script.log").read_text() == stderr


def test_an_interrupt_is_passed_on_to_the_job(server, start):
    body = """
try:
    print("begun", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    print("interrupted")
    sys.exit(5)
"""
    caller = start(body)
    caller.stdout.readline()
    caller.send_signal(signal.SIGINT)
    stdout, _ = caller.communicate()
    assert (caller.returncode, stdout) == (5, "interrupted\n")


def test_jobs_run_side_by_side(server, start):
    body = "print('begun', flush=True); input()"
    callers = [start(body, stdin=subprocess.PIPE) for _ in range(2)]
    assert [caller.stdout.readline() for caller in callers] == ["begun\n"] * 2
    for caller in callers:
        caller.communicate("\n")
    assert [caller.returncode for caller in callers] == [0, 0]
