import json

import pandas as pd
import pytest
from generated_tables import ARMS, budget, config, trials_and_windows
from pandas.api.types import is_numeric_dtype

from sysstop.analysis.effects import cost_model, effect_table
from sysstop.report import study as paper_tables
from sysstop.report.wording import MISSING
from sysstop.study.metrics import METRICS


@pytest.fixture(scope="module")
def trials():
    return trials_and_windows(repetitions=2)[0]


def test_sizes_of_data_sets_come_from_their_splits_or_else_from_the_config(tmp_path):
    folder = tmp_path / "digits" / "split"
    folder.mkdir(parents=True)
    summary = {"rows": 1234, "features_before_encoding": 5, "features": 9, "classes": 3}
    (folder / "split.json").write_text(json.dumps({"name": "digits", "summary": summary}))
    summaries = paper_tables.read_split_summaries([folder])
    table = paper_tables.dataset_table(config(), summaries).set_index("Data set")
    assert table.loc["digits", ["Examples", "Features"]].tolist() == [1234, 5]
    assert table.loc["digits", "Task"] == "classification, 3 classes"
    assert table.loc["diabetes_progression", "Examples"] == 1797
    assert table.loc["diabetes_progression", "Task"] == "regression"


def test_a_data_set_of_unknown_size_shows_a_dash():
    study = config()
    del study["datasets"]["digits"]["rows"]
    table = paper_tables.display(paper_tables.dataset_table(study, {}))
    assert table.loc[0, "Examples"] == "–"  # noqa: RUF001 - the dash that readers see


def test_every_metric_of_the_registry_has_a_row():
    assert paper_tables.metric_table()["Metric"].tolist() == [metric.label for metric in METRICS]


def test_the_table_of_algorithms_tells_the_loss_and_the_grid():
    study = config(grid={"batch_size": "powers_of_two", "learning_rate": [0.1], "alpha": [1e-5]})
    table = paper_tables.algorithm_table(study).set_index("Algorithm")
    assert table.loc["Support vector machine", "Loss"] == "hinge"
    assert table.loc["Support vector machine", "Alpha"] == "0.00001"
    assert table.loc["Support vector machine", "Batch size"].startswith("2, 4, 8, ...")


@pytest.mark.parametrize(
    ("arm", "description"),
    [
        (ARMS["none"], "never: trains it to the end of its budget"),
        (
            ARMS["step_time"],
            "as soon as its step time exceeds what 75 % of the baseline's completed trials stay "
            "within",
        ),
        (
            {"rule": "metric_limit", "metric": "memory_peak_mb", "limit": 200},
            "as soon as its peak memory exceeds 200 MB",
        ),
        (
            {"rule": "predicted_train_time", "limit": 1.5},
            "as soon as its predicted training time exceeds 1.5 s",
        ),
        (
            {"rule": "plateau", "patience": 1},
            "once its validation loss has not fallen for more than 1 window",
        ),
    ],
    ids=["none", "quantile", "limit", "predicted", "plateau"],
)
def test_an_arm_is_described_in_plain_words(arm, description):
    assert paper_tables.arm_description(arm).replace("\u00a0", " ") == description


def test_the_budget_summary_averages_over_repetitions_with_the_baseline_first(trials):
    table = budget(trials)
    summary = paper_tables.budget_summary(table)
    assert summary["Arm"].iloc[0] == "none (full budget)"
    row = summary[(summary["Data set"] == "digits") & (summary["Arm"] == "memory")].iloc[0]
    studies = table[
        (table["dataset"] == "digits")
        & (table["algorithm"] == "logistic_regression")
        & (table["arm"] == "memory")
    ]
    assert row["Algorithm"] == "Logistic regression"
    saved = 100 * studies["saved_fraction"]
    text = f"{saved.mean():.0f} ({saved.min():.0f} to {saved.max():.0f})"
    assert row["Time saved (%)"] == text
    assert row["Regret"] == pytest.approx(studies["regret"].mean())
    assert row["Winner stopped"] == f"{studies['winner_stopped'].sum()} of 2"


def test_the_saving_of_one_repetition_is_a_number_without_an_interval():
    table = budget(trials_and_windows(repetitions=1)[0])
    saved = paper_tables.budget_summary(table).set_index(["Data set", "Algorithm", "Arm"])[
        "Time saved (%)"
    ]
    of_memory = table[table["arm"] == "memory"]
    assert is_numeric_dtype(saved)
    assert sorted(saved.xs("memory", level="Arm")) == sorted(100 * of_memory["saved_fraction"])


def test_an_arm_whose_repetitions_agree_has_no_interval(trials):
    summary = paper_tables.budget_summary(budget(trials)).set_index("Arm")
    assert set(summary.loc["none (full budget)", "Time saved (%)"]) == {"0"}


def test_an_effect_shows_its_interval_and_a_direction_only_if_it_was_found(trials):
    effects = effect_table(trials)
    numbers = ["effect_size", "effect_low", "effect_high", "rank_correlation", "p_adjusted"]
    effects.loc[effects["hyperparameter"] == "batch_size", numbers] = [0.9, 0.85, 0.95, -0.7, 0.01]
    effects.loc[effects["hyperparameter"] == "alpha", numbers] = [0.02, 0.0, 0.06, 0.7, 0.4]
    digest = paper_tables.effect_digest(effects)
    assert set(digest["Batch size (%)"]) == {"90 (85 to 95), falls"}
    assert set(digest["Alpha (%)"]) == {"2 (0 to 6)"}


def test_no_zero_has_a_minus(trials):
    effects = effect_table(trials)
    effects.loc[:, ["effect_size", "effect_low", "effect_high"]] = -0.0001
    assert paper_tables.effect_digest(effects)["Alpha (%)"].str.startswith("0 (0 to 0)").all()
    table = budget(trials).assign(test_regret=-1e-17)
    assert (paper_tables.budget_summary(table)["Test regret"] == 0).all()


def test_a_step_without_cost_per_sample_is_nowhere_half_fixed(trials):
    model = cost_model(trials).assign(half_batch_size=float("inf"))
    shown = paper_tables.display(paper_tables.cost_table(model))
    assert (shown["Half of a step is fixed at batch size"] == MISSING).all()


def test_a_hyperparameter_with_one_value_is_said_to_have_one():
    trials, _ = trials_and_windows(
        repetitions=1, grid={"batch_size": [2, 8, 32], "learning_rate": [0.01], "alpha": [0, 1e-3]}
    )
    digest = paper_tables.effect_digest(effect_table(trials))
    assert set(digest["Learning rate (%)"]) == {"one value only"}


def test_latex_is_a_booktabs_table_with_special_characters_escaped():
    text = paper_tables.latex(pd.DataFrame({"Share_of (%)": [0.5], "Name": ["a_b & 5 %"]}))
    assert text.startswith(r"\begin{tabular}{rl}")
    assert r"\toprule" in text and r"\bottomrule" in text
    assert r"Share\_of (\%) & Name \\" in text
    assert r"0.5 & a\_b \& 5 \% \\" in text


def test_a_table_longer_than_a_page_may_break():
    assert r"\begin{longtable}" in paper_tables.latex(pd.DataFrame({"n": range(100)}))
