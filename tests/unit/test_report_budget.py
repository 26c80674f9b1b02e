"""What the report says about each arm's savings, their price, and the noise."""

import pytest
from generated_tables import ARMS, PAIRS, budget, config, trials_and_windows
from pandas.api.types import is_numeric_dtype

from sysstop.analysis.noise import noise_table
from sysstop.report.budget import answer_rq2, budget_summary

BASELINE_ALONE = {"none": ARMS["none"]}


@pytest.fixture(scope="module")
def trials():
    return trials_and_windows(repetitions=2, seed=5)[0]


def plain(text):
    return text.replace("\u00a0", " ")


def test_rq2_gives_each_arm_its_savings_regret_and_lost_winners(trials):
    table = budget(trials)
    memory = table["arm"] == "memory"
    table.loc[memory, ["steady_saved_fraction", "saved_fraction"]] = [0.25, 0.35]
    table.loc[memory, "winner_stopped"] = False
    table.loc[memory & (table["task"] == "classification"), "regret"] = 0.0125
    point = plain(dict(answer_rq2(table, noise_table(trials), config()).points)["memory"])
    assert (
        "saved 25 % of the training time in steady time (median 25 %), 35 % in wall time" in point
    )
    assert "stopped in none of 8 studies" in point
    assert "regret 0.0125 in accuracy" in point


def test_rq2_says_which_arm_lost_every_candidate(trials):
    table = budget(trials)
    assert (
        "Every arm kept at least one trial"
        in answer_rq2(table, noise_table(trials), config()).paragraph
    )
    lost = (table["arm"] == "memory") & (table["algorithm"] == "logistic_regression")
    table.loc[lost, ["best_score", "regret", "test_score", "test_regret"]] = float("nan")
    answer = answer_rq2(table, noise_table(trials), config())
    assert (
        "In 2 studies no trial was left to choose from, with the arm memory (2)" in answer.paragraph
    )
    assert "In 2 studies it left no trial" in dict(answer.points)["memory"]


def test_rq2_counts_as_lost_only_winners_that_may_not_be_chosen_any_more(trials):
    table = budget(trials)
    table["winner_stopped"] = table["arm"] == "plateau"
    assert (
        "would have chosen in none of 24 studies"
        in answer_rq2(table, noise_table(trials), config()).paragraph
    )


def test_rq2_says_which_savings_stand_above_the_noise(trials):
    table = budget(trials)
    stopping = table["arm"] != "none"
    table["above_steady_noise_floor"] = stopping & (table["arm"] != "plateau")
    table["above_noise_floor"] = stopping & (table["arm"] == "memory")
    table.loc[stopping, ["steady_saved_fraction", "saved_fraction"]] = 0.25
    table.loc[stopping, "trials_stopped"] = 1
    text = plain(answer_rq2(table, noise_table(trials), config()).paragraph)
    assert "the saving of steady time is more than that in 24 of 32 studies" in text
    assert "the saving of wall time in 8 of 32 studies" in text
    table.loc[table["arm"] == "plateau", "trials_stopped"] = 0
    text = plain(answer_rq2(table, noise_table(trials), config()).paragraph)
    assert "the saving of steady time is more than that in all 24 studies" in text


def test_rq2_reports_the_noise_and_not_the_savings_of_an_arm_that_repeats_the_baseline():
    arms = BASELINE_ALONE | {"none_again": {"rule": "none"}, "memory": ARMS["memory"]}
    trials, _ = trials_and_windows(PAIRS[:1], arms, repetitions=1)
    answer = answer_rq2(budget(trials), noise_table(trials), config(PAIRS[:1], arms, 1))
    assert [name for name, _ in answer.points] == ["memory"]
    assert "95 % of the repeated readings" in plain(answer.paragraph)


def test_rq2_says_that_the_noise_is_unknown_where_no_trial_ran_twice(trials):
    answer = answer_rq2(budget(trials), noise_table(trials).iloc[:0], config())
    assert "the noise of the measurement is not known" in answer.paragraph


def test_rq2_with_the_baseline_alone_says_that_no_arm_was_run():
    trials, _ = trials_and_windows(PAIRS[:1], BASELINE_ALONE, repetitions=1)
    answer = answer_rq2(budget(trials), noise_table(trials), config(PAIRS[:1], BASELINE_ALONE, 1))
    assert answer.paragraph.startswith("No stopping arm was run")
    assert answer.points == []


def test_rq2_leaves_out_pairs_whose_baseline_never_completed():
    trials, _ = trials_and_windows(PAIRS[:2], repetitions=1, all_diverge=PAIRS[:1])
    answer = answer_rq2(budget(trials), noise_table(trials), config())
    assert "Studies of digits with logistic regression are left out" in answer.paragraph


def test_the_budget_summary_averages_over_repetitions_with_the_baseline_first(trials):
    table = budget(trials)
    summary = budget_summary(table)
    assert summary["Arm"].iloc[0] == "none (full budget)"
    row = summary[(summary["Data set"] == "digits") & (summary["Arm"] == "memory")].iloc[0]
    studies = table[
        (table["dataset"] == "digits")
        & (table["algorithm"] == "logistic_regression")
        & (table["arm"] == "memory")
    ]
    assert row["Algorithm"] == "Logistic regression"
    saved = 100 * studies["steady_saved_fraction"]
    text = f"{saved.mean():.0f} ({saved.min():.0f} to {saved.max():.0f})"
    assert row["Steady time saved (%)"] == text
    assert row["Wall time saved (%)"] == pytest.approx(100 * studies["saved_fraction"].mean())
    assert row["Regret"] == pytest.approx(studies["regret"].mean())
    assert row["Winner stopped"] == f"{studies['winner_stopped'].sum()} of 2"


def test_the_saving_of_one_repetition_is_a_number_without_an_interval():
    table = budget(trials_and_windows(repetitions=1)[0])
    summary = budget_summary(table).set_index(["Data set", "Algorithm", "Arm"])
    saved = summary["Steady time saved (%)"]
    of_memory = table[table["arm"] == "memory"]
    assert is_numeric_dtype(saved)
    assert sorted(saved.xs("memory", level="Arm")) == sorted(
        100 * of_memory["steady_saved_fraction"]
    )


def test_an_arm_whose_repetitions_agree_has_no_interval(trials):
    summary = budget_summary(budget(trials)).set_index("Arm")
    assert set(summary.loc["none (full budget)", "Steady time saved (%)"]) == {"0"}


def test_no_regret_of_zero_has_a_minus(trials):
    table = budget(trials).assign(test_regret=-1e-17)
    assert (budget_summary(table)["Test regret"] == 0).all()
