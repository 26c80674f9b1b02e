import contextlib
import math
import os
import signal
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from sysstop.run.environment import LIBRARY_FOLDER
from sysstop.study.algorithms import Algorithm
from sysstop.study.metrics import metric_names
from sysstop.study.rules import MedianRule, MetricLimit, Showing
from sysstop.study.status import Status, Stop, TrialEnd
from sysstop.trial.process import (
    SERVER_VARIABLE,
    Ended,
    Request,
    TrialProcess,
    printed_by,
    template_command,
)
from sysstop.trial.training import train
from tests.shipped import ALGORITHMS

pytestmark = pytest.mark.machine

ENDLESS = 10**6
TEMPLATE = "sysstop.trial.template"
BUSY_S = 0.2


@pytest.fixture(params=["own template", "the run's templates"])
def make_process(request, tmp_path, monkeypatch):
    """Trial processes forked from a template of their own, or from the run's server of templates."""
    server, processes = None, []
    if request.param == "the run's templates":
        socket = tmp_path / "trials"
        monkeypatch.setenv(SERVER_VARIABLE, str(socket))
        with printed_by(socket).open("wb") as printed:
            server = subprocess.Popen(
                template_command(socket),
                env=os.environ | {"PYTHONPATH": str(LIBRARY_FOLDER)},
                stdout=printed,
                stderr=printed,
            )
        wait_until(socket.exists)

    def make(**settings):
        processes.append(TrialProcess(**settings))
        return processes[-1]

    yield make
    for process in processes:
        process.close()
    if server:
        server.kill()
        server.wait()


@pytest.fixture
def process(make_process):
    return make_process()


@pytest.fixture
def request_for(split_folder, make_trial):
    def make(rule=None, **trial):
        return Request(make_trial(**trial), rule, split_folder)

    return make


def wait_until(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def templates():
    """All processes of templates and trials that descend from here."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE and TEMPLATE in process.cmdline():
                found.append(process)
    return found


def busy_trials():
    """The trials that train; a fork that waits for its request has used no processor time."""
    found = []
    for process in templates():
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.parent() in templates() and not process.children():
                used = process.cpu_times()
                if used.user + used.system > BUSY_S:
                    found.append(process)
    return found


def template_between_two_trials():
    """The only template of trials, once it has forked the next trial's process."""
    has_server = Path(os.environ[SERVER_VARIABLE]).exists()
    above = 2 if has_server else 1  # the template, and the run's server

    def waiting_trials():
        found = templates()
        return [process for process in found if len(set(process.parents()) & set(found)) == above]

    wait_until(waiting_trials)
    (trial,) = waiting_trials()
    return trial.parent()


@pytest.fixture
def no_hanging():
    """Fail a test that waits for ever."""

    def fail(*_):
        pytest.fail("still waiting after 100 s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(100)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def run_to_the_end(process, request):
    process.start(request)
    windows = [process.next_window()]
    while windows[-1].end is None:
        windows.append(process.next_window())
    return windows


def start_endless_window(process, request_for):
    """Begin a trial that never comes to the end of its first window, and wait until it trains."""
    run_to_the_end(process, request_for())  # then the template's own start is over
    process.start(request_for(steps=ENDLESS, window_steps=ENDLESS))
    wait_until(busy_trials)


def quality(windows):
    return [str([w.metrics[name] for name in metric_names("quality")]) for w in windows]


def test_a_trial_in_its_process_is_the_trial_itself(process, request_for, classification_split):
    request = request_for()
    there = run_to_the_end(process, request)
    assert quality(there) == quality(train(request.trial, classification_split))


def test_a_trial_asks_its_rule_and_ends_before_the_next_window(process, request_for):
    (window,) = run_to_the_end(process, request_for(MetricLimit("memory_mb", 1.0), steps=ENDLESS))
    seen = Stop("metric_limit", "memory_mb", 1.0, window.metrics["memory_mb"])
    assert window.end == TrialEnd(Status.STOPPED, "metric_limit", seen)


def test_memory_does_not_depend_on_the_trial_before(process, request_for):
    small = run_to_the_end(process, request_for(batch_size=1))
    run_to_the_end(process, request_for(batch_size=128, steps=200))
    again = run_to_the_end(process, request_for(batch_size=1))
    for name in ("memory_baseline_mb", "memory_peak_mb"):
        assert again[-1].metrics[name] == pytest.approx(small[-1].metrics[name], abs=1)


def test_closing_kills_a_running_trial_in_the_middle_of_a_window(process, request_for):
    start_endless_window(process, request_for)
    before = len(templates())
    process.close()
    wait_until(lambda: len(templates()) == before - 2)


def test_another_trial_takes_the_place_of_a_running_one(process, request_for):
    process.start(request_for(steps=ENDLESS))
    process.next_window()
    assert run_to_the_end(process, request_for())[-1].end.status == Status.COMPLETED


def test_a_killed_trial_ends_alone_and_the_next_one_runs(process, request_for):
    start_endless_window(process, request_for)
    (trial,) = busy_trials()
    os.kill(trial.pid, signal.SIGKILL)
    assert process.next_window() == Ended(-signal.SIGKILL)
    assert run_to_the_end(process, request_for())[-1].end.status == Status.COMPLETED


def test_a_trial_that_takes_too_long_for_a_window_is_killed_and_the_next_one_runs(
    process, request_for
):
    start_endless_window(process, request_for)
    assert process.next_window(timeout_s=0.5) is None
    wait_until(lambda: not busy_trials())
    assert run_to_the_end(process, request_for())[-1].end.status == Status.COMPLETED


def test_a_trial_whose_template_hangs_ends_with_its_record_and_the_next_one_runs(
    make_process, request_for, no_hanging
):
    process = make_process(template_timeout_s=0.5)
    run_to_the_end(process, request_for())
    template_between_two_trials().suspend()
    for _ in range(2):
        windows = run_to_the_end(process, request_for())
        assert [window.end for window in windows] == [None, None, TrialEnd("completed", "budget")]


def test_closing_ends_a_template_that_hangs(make_process, request_for, no_hanging):
    process = make_process(template_timeout_s=0.5)
    run_to_the_end(process, request_for())
    template = template_between_two_trials()
    own = template.parent() == psutil.Process()
    template.suspend()
    process.close()
    if own:
        wait_until(lambda: not template.is_running())
    else:  # it ends as soon as it can, or with the run
        template.resume()
        wait_until(lambda: not template.is_running() or template.status() == psutil.STATUS_ZOMBIE)


def test_a_trial_waits_for_the_verdict_of_a_rule_that_compares_trials(make_process, request_for):
    shown, stop = [], Stop("median", "val_loss", 0.5, 0.75)

    def show(showing):
        shown.append(showing)
        time.sleep(0.1)
        return stop if showing.window == 1 else None

    windows = run_to_the_end(make_process(show=show), request_for(MedianRule(), steps=ENDLESS))
    losses = [window.metrics["val_loss"] for window in windows]
    assert shown == [
        Showing(0, losses[0], losses[0]),
        Showing(1, min(losses), sum(losses) / 2),
    ]
    assert [window.end for window in windows] == [None, TrialEnd(Status.STOPPED, "median", stop)]
    assert all(window.rule_wait_s >= 0.1 for window in windows)
    first, second = (
        sum(window.metrics[name] for name in ("train_time_s", "eval_time_s")) for window in windows
    )
    assert (
        second - first < windows[1].metrics["wall_time_s"] - windows[0].metrics["wall_time_s"] - 0.1
    )


def test_a_trial_shows_its_end_and_waits_for_no_verdict_then(make_process, request_for):
    shown = []
    process = make_process(show=shown.append)
    for status, learning_rate in ((Status.COMPLETED, 0.01), (Status.DIVERGED, 1e300)):
        request = request_for(MedianRule(), learning_rate=learning_rate)
        assert run_to_the_end(process, request)[-1].end.status == status
        assert shown[-1].status == status
    assert (shown[-1].own, shown[-1].shown) == (math.inf, math.inf)


def test_a_trial_that_dies_before_it_reads_its_verdict_leaves_it_to_no_other(
    make_process, request_for
):
    """The next trial's process waits on the same connection, for a request."""

    def kill(showing):
        if showing.window == 0:
            (trial,) = (process for process in templates() if not process.children())
            trial.kill()
            wait_until(lambda: not trial.is_running() or trial.status() == psutil.STATUS_ZOMBIE)

    process = make_process(show=kill)
    process.start(request_for(MedianRule()))
    assert process.next_window() == Ended(-signal.SIGKILL)
    assert run_to_the_end(process, request_for())[-1].end.status == Status.COMPLETED


def test_a_trial_that_is_out_of_time_while_it_is_compared_ends(make_process, request_for):
    process = make_process(show=lambda showing: time.sleep(0.5))
    process.start(request_for(MedianRule(), steps=ENDLESS))
    while process.next_window(timeout_s=0.4):
        continue
    assert run_to_the_end(process, request_for())[-1].end.status == Status.COMPLETED


def test_an_exception_in_a_trial_is_reported(process, request_for):
    missing = replace(ALGORITHMS["perceptron"], estimator="sklearn.linear_model.NoSuchEstimator")
    process.start(request_for(algorithm=missing))
    ended = process.next_window()
    assert (ended.exit_code, "NoSuchEstimator" in ended.last_words) == (1, True)


def test_the_last_words_of_a_trial_that_crashes_are_kept(process, request_for):
    start_endless_window(process, request_for)
    (trial,) = busy_trials()
    os.kill(trial.pid, signal.SIGSEGV)
    ended = process.next_window()
    assert ended.exit_code == -signal.SIGSEGV
    assert ended.last_words.startswith("Fatal Python error: Segmentation fault")
    assert "training.py" in ended.last_words and "Extension modules" not in ended.last_words


def test_the_last_words_of_a_template_that_crashes_are_kept(process, request_for):
    start_endless_window(process, request_for)
    (trial,) = busy_trials()
    os.kill(trial.parent().pid, signal.SIGSEGV)
    with pytest.raises(RuntimeError, match="Fatal Python error: Segmentation fault"):
        process.next_window()


def reserve(core):
    """Reserve a core, unless a trial of another run on this machine has it."""
    reservation = socket.socket(socket.AF_UNIX)
    with contextlib.suppress(OSError):
        reservation.bind(f"\0sysstop-core-{core}")
    return reservation


def test_a_trial_says_which_core_is_its_own_and_stays_unpinned_while_there_is_none(
    process, request_for
):
    reservations = {core: reserve(core) for core in os.sched_getaffinity(0)}
    ours = {core for core, reservation in reservations.items() if reservation.getsockname()}
    unpinned = run_to_the_end(process, request_for())
    for reservation in reservations.values():
        reservation.close()
    assert {window.core for window in unpinned} == {None}
    # The next trial's process waits already; the one after it finds a core.
    run_to_the_end(process, request_for())
    windows = run_to_the_end(process, request_for())
    # Trials of a run beside these tests may have all cores for themselves.
    assert {window.core for window in windows} <= (set(reservations) if ours else {None})


COUNTING = """
from pathlib import Path

with Path({file!r}).open("a") as file:
    file.write("imported\\n")


class Guess:
    def __init__(self):
        self.classes = None

    def partial_fit(self, features, target, classes):
        self.classes = classes

    def predict(self, features):
        return [self.classes[0]] * len(features)
"""


def test_an_estimator_is_imported_once_before_the_first_trial_and_not_by_each(
    process, split_folder, make_trial, tmp_path
):
    imports = tmp_path / "imports"
    guess = Algorithm(
        name="guess",
        task="classification",
        estimator="mine.py:Guess",
        loss_name="zero_one",
        parameters={},
        passed_on={},
        source=COUNTING.format(file=str(imports)),
    )
    for steps in (10, 20):
        process.start(Request(make_trial(guess, steps=steps), None, split_folder))
        while process.next_window().end is None:
            continue
    assert imports.read_text() == "imported\n"


def test_two_trials_at_a_time_are_pinned_to_two_cores(make_process, request_for):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this machine has one core")
    for _ in range(2):
        run_to_the_end(make_process(), request_for())
    cores = [tuple(process.cpu_affinity()) for process in templates()]
    assert len({core for core in cores if len(core) == 1}) == 2
