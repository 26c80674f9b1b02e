import os
import signal

import psutil
import pytest

from sysstop.metrics import metric_names
from sysstop.training import train
from sysstop.trial_process import Ended, TrialProcess


@pytest.fixture
def process(split_folder):
    process = TrialProcess(split_folder)
    yield process
    process.close()


def trial_processes():
    """The templates and their trials that descend from this process."""
    descendants = psutil.Process().children(recursive=True)
    return [p.pid for p in descendants if "sysstop.trial_template" in p.cmdline()]


def run_to_the_end(process, trial):
    process.start(trial)
    records = [process.next_window()]
    while records[-1]["status"] is None:
        records.append(process.next_window())
    return records


def test_a_trial_in_its_process_is_the_trial_itself(process, classification_split, make_trial):
    quality = metric_names("quality")
    there = run_to_the_end(process, make_trial())
    here = list(train(make_trial(), classification_split))
    assert [str([r[name] for name in quality]) for r in there] == [
        str([r[name] for name in quality]) for r in here
    ]


def test_memory_does_not_depend_on_the_trial_before(process, make_trial):
    small = run_to_the_end(process, make_trial(batch_size=1))
    run_to_the_end(process, make_trial(batch_size=128, steps=200))
    again = run_to_the_end(process, make_trial(batch_size=1))
    assert again[-1]["memory_baseline_mb"] == pytest.approx(small[-1]["memory_baseline_mb"], abs=1)
    assert again[-1]["memory_peak_mb"] == pytest.approx(small[-1]["memory_peak_mb"], abs=1)


def test_a_stopped_trial_trains_no_further_window_and_leaves_no_process(process, make_trial):
    process.start(make_trial(steps=10**6))
    assert process.next_window()["window"] == 1
    process.stop()
    assert trial_processes() == [process._template.pid]


def test_a_killed_trial_ends_alone_and_the_next_one_runs(process, make_trial):
    process.start(make_trial(steps=10**6))
    process.next_window()
    (trial,) = psutil.Process(process._template.pid).children()
    os.kill(trial.pid, signal.SIGKILL)
    assert process.next_window() == Ended(-signal.SIGKILL)
    assert run_to_the_end(process, make_trial())[-1]["status"] == "completed"


def test_an_exception_in_a_trial_is_told(process, make_trial):
    process.start(make_trial(algorithm="no such algorithm"))
    ended = process.next_window()
    assert (ended.exit_code, "no such algorithm" in ended.error) == (1, True)


def test_closing_ends_the_running_trial_and_the_template(split_folder, make_trial):
    process = TrialProcess(split_folder)
    process.start(make_trial(steps=10**6))
    process.next_window()
    process.close()
    assert trial_processes() == []


def test_two_templates_are_pinned_to_two_cores(split_folder, make_trial):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this machine has one core")
    first, second = TrialProcess(split_folder), TrialProcess(split_folder)
    try:
        for process in (first, second):
            run_to_the_end(process, make_trial())
        cores = [psutil.Process(p._template.pid).cpu_affinity() for p in (first, second)]
        assert len(cores[0]) == len(cores[1]) == 1
        assert cores[0] != cores[1]
    finally:
        first.close()
        second.close()
