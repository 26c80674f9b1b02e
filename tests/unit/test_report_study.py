"""The tables of what was studied: data sets, algorithms, metrics and arms."""

import json

import pytest
from generated_tables import ARMS, config

from sysstop.data.split import read_split_summaries
from sysstop.report.arms import arm_description
from sysstop.report.study import algorithm_table, dataset_table, metric_table
from sysstop.report.text_tables import display
from sysstop.study.metrics import METRICS


def test_sizes_of_data_sets_come_from_their_splits_or_else_from_the_config(tmp_path):
    folder = tmp_path / "digits" / "split"
    folder.mkdir(parents=True)
    summary = {"rows": 1234, "features_before_encoding": 5, "features": 9, "classes": 3}
    (folder / "split.json").write_text(json.dumps({"name": "digits", "summary": summary}))
    summaries = read_split_summaries([folder])
    table = dataset_table(config(), summaries).set_index("Data set")
    assert table.loc["digits", ["Examples", "Features"]].tolist() == [1234, 5]
    assert table.loc["digits", "Task"] == "classification, 3 classes"
    assert table.loc["diabetes_progression", "Examples"] == 1797
    assert table.loc["diabetes_progression", "Task"] == "regression"


def test_a_data_set_of_unknown_size_shows_a_dash():
    study = config()
    del study["datasets"]["digits"]["rows"]
    table = display(dataset_table(study, {}))
    assert table.loc[0, "Examples"] == "–"  # noqa: RUF001 - the dash that readers see


def test_every_metric_of_the_registry_has_a_row():
    assert metric_table()["Metric"].tolist() == [metric.label for metric in METRICS]


def test_the_table_of_algorithms_shows_the_loss_and_the_grid():
    study = config(grid={"batch_size": "powers_of_two", "learning_rate": [0.1], "alpha": [1e-5]})
    table = algorithm_table(study).set_index("Algorithm")
    assert table.loc["Support vector machine", "Loss"] == "hinge"
    assert table.loc["Support vector machine", "Alpha"] == "0.00001"
    assert table.loc["Support vector machine", "Batch size"].startswith("2, 4, 8, ...")


@pytest.mark.parametrize(
    ("arm", "description"),
    [
        (ARMS["none"], "never: trains it to the end of its budget"),
        (
            ARMS["step_time"],
            "as soon as its steady step time exceeds what 75 % of the baseline's completed trials "
            "stay within",
        ),
        (
            {"rule": "metric_limit", "metric": "memory_peak_mb", "limit": 200},
            "as soon as its peak memory exceeds 200 MB",
        ),
        (
            {"rule": "predicted_train_time", "limit": 1.5},
            "as soon as its predicted steady training time exceeds 1.5 s",
        ),
        (
            {"rule": "plateau", "patience": 1},
            "once its validation loss has not fallen for more than 1 window",
        ),
    ],
    ids=["none", "quantile", "limit", "predicted", "plateau"],
)
def test_an_arm_is_described_in_plain_words(arm, description):
    assert arm_description(arm).replace("\u00a0", " ") == description
