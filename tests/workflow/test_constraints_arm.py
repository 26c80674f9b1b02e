"""The application's constraints in a search: the arm that they bring along, live and in replay."""

import pandas as pd
import pytest
import yaml

from tests.project import TINY, copy_project

CONSTRAINTS = {"model_mb": 1e-6, "memory_peak_mb": 1000}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The tiny study without a choice of arms, and with constraints that every trial breaks."""
    project = copy_project(tmp_path_factory.mktemp("constraints"))
    study = {key: value for key, value in TINY["study"].items() if key != "arms"}
    study["datasets"], study["algorithms"] = ["iris"], ["logistic_regression"]
    free = TINY | {"study": study}
    for name, config in (("free", free), ("bound", free | {"constraints": CONSTRAINTS})):
        (project.folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
    project.write_config(
        "two_arms.yaml",
        constraints=CONSTRAINTS,
        study__datasets=["iris"],
        study__algorithms=["logistic_regression"],
        study__arms=["none", "constraints"],
    )
    return project


def searched_arms(jobs):
    return {
        part.partition("=")[2]
        for rule, *wildcards in jobs
        if rule == "search"
        for part in wildcards[0].split(", ")
        if part.startswith("arm=")
    }


def test_constraints_bring_their_arm_along(project):
    free, bound = (
        searched_arms(project.planned_jobs(config=f"{n}.yaml")) for n in ("free", "bound")
    )
    assert bound - free == {"constraints"}
    assert "none" in free


def test_the_arm_stops_trials_live_as_in_its_replay(project):
    target = "results/tables/replay_check.parquet"
    run = project.snakemake(target, config="two_arms.yaml")
    assert run.returncode == 0, run.stderr
    (check,) = pd.read_parquet(project.folder / target).to_dict("records")
    assert check["arm"] == "constraints"
    assert check["trials_agreeing"] == check["live_trials_stopped"] == check["trials"] == 4
    trials = pd.read_parquet(project.folder / "results/tables/trials.parquet")
    live = trials[trials["arm"] == "constraints"]
    assert set(live["stop_reason"]) == {"constraints"}
    assert set(live["stop_metric"]) == {"model_mb"}
    assert not live["candidate"].any()
    assert (trials[["steady_predict_time_us", "predict_sample_us", "model_mb"]] > 0).all(axis=None)
    assert project.planned_jobs(target, config="two_arms.yaml") == set()
    changed = project.write_config("changed.yaml", constraints=CONSTRAINTS | {"model_mb": 1}, study__datasets=["iris"], study__algorithms=["logistic_regression"], study__arms=["none", "constraints"])  # fmt: skip
    assert searched_arms(project.planned_jobs(target, config=changed)) == {"constraints"}
