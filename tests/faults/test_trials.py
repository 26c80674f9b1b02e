"""A trial that fails is recorded with its reason and tried again; the study goes on without it."""

import os
import signal

from tests.faults.faulty_run import (
    TRIALS,
    assert_complete,
    finished_trials,
    last_message,
    make_project,
    mlflow_runs,
    table,
)


def test_a_trial_whose_process_is_killed_fails_alone_and_is_tried_again(project, start):
    run = start()
    assert run.wait_for(lambda: finished_trials(project) >= 3)
    os.kill(run.trials()[0].pid, signal.SIGKILL)
    assert run.wait() == 0, run.said[-3000:]
    trials = table(project, "trials")
    failed = trials[trials["status"] == "failed"]
    assert len(trials) == TRIALS and len(failed) == 1
    assert "its process was killed" in failed["stop_reason"].iloc[0]
    statuses = [run.info.status for run in mlflow_runs(project)]
    assert sorted(set(statuses)) == ["FAILED", "FINISHED"] and statuses.count("FAILED") == 1

    assert start().wait() == 0
    assert_complete(project)
    again = table(project, "trials").set_index("trial_id")
    untouched = trials.set_index("trial_id").drop(failed["trial_id"])
    assert (again.loc[untouched.index, "train_time_s"] == untouched["train_time_s"]).all()
    assert project.planned_jobs(*[str(arg) for arg in run.targets], config="faults.yaml") == set()


def test_a_trial_that_hangs_is_ended_and_tried_again(tmp_path, start):
    project = make_project(tmp_path / "hanging", search__trial_timeout_s=10)
    run = start(in_project=project)
    assert run.wait_for(lambda: finished_trials(project) >= 3)
    os.kill(run.trials()[0].pid, signal.SIGSTOP)
    assert run.wait() == 0, run.said[-3000:]
    trials = table(project, "trials")
    (reason,) = trials.loc[trials["status"] == "failed", "stop_reason"]
    assert "it was not done after search.trial_timeout_s = 10 s" in reason
    run.wait_until_gone()
    assert start(in_project=project).wait() == 0
    assert_complete(project)


def test_a_study_in_which_most_trials_fail_ends_and_says_why(tmp_path, start):
    # Less time than any trial takes.
    project = make_project(tmp_path / "failing", search__trial_timeout_s=0.001)
    run = start(in_project=project)
    assert run.wait() != 0
    message = last_message(run)
    assert "4 of 32 trials failed" in message or "5 of 32 trials failed" in message
    assert "search.max_failed_fraction = 0.1" in message
    assert "x it was not done after search.trial_timeout_s = 0.001 s" in message
    run.wait_until_gone()
    config = project.write_config("fixed.yaml", **{})
    text = (project.folder / "faults.yaml").read_text()
    (project.folder / config).write_text(
        text.replace("trial_timeout_s: 0.001", "trial_timeout_s: 60")
    )
    assert start(in_project=project, config=config).wait() == 0
    assert_complete(project)
