"""What the report says about each arm's savings, their price, and the noise."""

import pandas as pd
import pytest
from generated_tables import ARMS, PAIRS, budget, config, trials_and_windows
from pandas.api.types import is_numeric_dtype

from sysstop.analysis.noise import noise_table
from sysstop.report.budget import answer_rq2, budget_summary
from sysstop.report.noise import noise_answer
from sysstop.report.outcomes import arm_outcomes, headline_rq2, outcome_digest
from sysstop.report.regret import comparable_regret, regret_noise

BASELINE_ALONE = {"none": ARMS["none"]}


@pytest.fixture(scope="module")
def trials():
    return trials_and_windows(repetitions=2, seed=5)[0]


def plain(text):
    return text.replace("\u00a0", " ")


def outcomes_by_arm(table):
    return arm_outcomes(table, config()).set_index("arm")


def test_rq2_gives_each_arm_its_savings_and_lost_models(trials):
    table = budget(trials)
    memory = table["arm"] == "memory"
    table.loc[memory, ["steady_saved_fraction", "saved_fraction"]] = [0.25, 0.35]
    table.loc[memory, "winner_stopped"] = False
    table.loc[memory, "regret"] = 0.0
    point = plain(dict(answer_rq2(table, config()).points)["memory"])
    assert "saved 25 % of the steady training time (median of 8 searches)" in point
    assert "and 35 % of the wall time" in point
    assert "stopped the full search's best trial in none of 8 searches" in point
    assert "never measurably worse" in point


def test_the_headline_names_what_saves_most_and_what_loses_least_with_their_price(trials):
    table = budget(trials)
    table["steady_saved_fraction"] = table["arm"].map({"memory": 0.6, "plateau": 0.2}).fillna(0.1)
    table["regret"] = table["test_regret"] = table["arm"].map({"plateau": 0.0}).fillna(0.5)
    headline = headline_rq2(table, no_check(), config())
    text = plain(headline.text)
    assert "The arm memory (limit on peak memory) saves most: 60 % of the training time" in text
    assert "(median of 8 searches), but all 8 searches ended with a worse model" in text
    assert "The arm plateau (plateau of validation loss) loses least: it saves 20 %" in text
    assert "no search ended with a measurably worse model" in text
    values = [plain(number.value) for number in headline.numbers]
    assert values[:3] == ["60 %", "20 %", "8 of 8"]
    assert {number.evidence for number in headline.numbers} >= {
        "outcomes-memory",
        "outcomes-plateau",
    }


def test_the_headline_says_where_an_arm_saves_only_in_some_searches(trials):
    table = budget(trials)
    table["steady_saved_fraction"], table["above_steady_noise_floor"] = 0.003, False
    text = headline_rq2(table, no_check(), config()).text
    assert text == "No arm saves a measurable share of the training time."
    some = table.index[table["arm"] == "memory"][:2]
    table.loc[some, "steady_saved_fraction"] = [0.42, 0.44]
    table.loc[some, "above_steady_noise_floor"] = True
    table.loc[table["arm"] == "memory", "steady_saved_fraction"] += 0.001
    headline = headline_rq2(table, no_check(), config())
    assert "saves most: 42 to 44 % of the training time in 2 of 8" in plain(headline.text)
    assert plain(headline.numbers[0].value) == "42 to 44 %"
    assert headline.numbers[0].meaning.endswith("memory in 2 of 8 searches; in the others, noise")


def test_the_headline_sets_live_and_replayed_savings_side_by_side(trials):
    table = budget(trials)
    table["steady_saved_fraction"] = table["arm"].map({"memory": 0.6}).fillna(0.1)
    check = pd.DataFrame(
        {
            "arm": ["memory", "plateau"],
            "live_saved_time_fraction": [0.6, 0.9],
            "replayed_saved_time_fraction": [0.5, 0.9],
        }
    )
    number = headline_rq2(table, check, config()).numbers[-1]
    assert plain(number.value) == "50 %"
    assert "in replay, with the limits that saved 60 % live" in plain(number.meaning)


def no_check():
    return pd.DataFrame({"arm": []})


def test_a_regret_within_its_noise_is_no_worse_model(trials):
    table = budget(trials)
    stopping = table["arm"] != "none"
    table.loc[stopping, "best_trial_id"] = "another"
    table.loc[stopping, "regret"] = 0.004
    table.loc[stopping, "test_regret"] = 0.0
    assert regret_noise(table)["classification"] == pytest.approx(0.004)
    assert outcomes_by_arm(table)["worse"].sum() == 0
    table.loc[stopping & (table["arm"] == "memory"), ["regret", "test_regret"]] = 5.0
    assert outcomes_by_arm(table)["worse"].to_dict() == {
        "memory": 8,
        "plateau": 0,
        "predicted_time": 0,
        "step_time": 0,
    }


def test_the_regret_of_a_regression_is_a_share_of_its_error(trials):
    table = budget(trials).assign(regret=5.0)
    comparable = comparable_regret(table)
    classified = table["task"] == "classification"
    assert (comparable[classified] == 5.0).all()
    expected = 5.0 / table.loc[~classified, "baseline_best_score"].abs()
    assert comparable[~classified].tolist() == pytest.approx(expected.tolist())


def test_rq2_says_which_arm_lost_every_candidate(trials):
    table = budget(trials)
    kept = "Every search kept at least one trial to choose from."
    assert kept in answer_rq2(table, config()).paragraph
    lost = (table["arm"] == "memory") & (table["algorithm"] == "logistic_regression")
    table.loc[lost, ["best_score", "regret", "test_score", "test_regret"]] = float("nan")
    answer = answer_rq2(table, config())
    assert "In 2 searches no trial was left to choose from." in answer.paragraph
    assert "2 of them with none" in dict(answer.points)["memory"]
    digest = outcome_digest(arm_outcomes(table, config())).set_index("Arm")
    assert digest.loc["memory", "No model left"] == "2 of 8"


def test_rq2_counts_as_lost_only_best_trials_that_may_not_be_chosen_any_more(trials):
    table = budget(trials)
    table["winner_stopped"] = table["arm"] == "plateau"
    assert "would have chosen in none of 24 searches" in answer_rq2(table, config()).paragraph


def test_the_noise_says_how_many_savings_stand_above_it(trials):
    table = budget(trials)
    stopping = table["arm"] != "none"
    table["above_steady_noise_floor"] = stopping & (table["arm"] != "plateau")
    table["above_noise_floor"] = stopping & (table["arm"] == "memory")
    table.loc[stopping, ["steady_saved_fraction", "saved_fraction"]] = 0.25
    table.loc[stopping, "trials_stopped"] = 1
    answer = noise_answer(table, noise_table(trials))
    assert "24 of 32 searches saved more steady time than the noise, 8 of 32" in answer.paragraph
    assert answer.claim.startswith("24 of 32 searches that stopped a trial saved more")
    table.loc[table["arm"] == "plateau", "trials_stopped"] = 0
    assert "all 24 searches saved" in noise_answer(table, noise_table(trials)).paragraph


def test_rq2_reports_the_noise_and_not_the_savings_of_an_arm_that_repeats_the_baseline():
    arms = BASELINE_ALONE | {"none_again": {"rule": "none"}, "memory": ARMS["memory"]}
    trials, _ = trials_and_windows(PAIRS[:1], arms, repetitions=1)
    table = budget(trials)
    answer = answer_rq2(table, config(PAIRS[:1], arms, 1))
    assert [name for name, _ in answer.points] == ["memory"]
    assert "95 % of the readings" in plain(noise_answer(table, noise_table(trials)).paragraph)


def test_the_noise_is_said_to_be_unknown_where_no_trial_ran_twice(trials):
    answer = noise_answer(budget(trials), noise_table(trials).iloc[:0])
    assert "the noise of the measurement is not known" in answer.paragraph


def test_rq2_with_the_baseline_alone_says_that_no_arm_was_run():
    trials, _ = trials_and_windows(PAIRS[:1], BASELINE_ALONE, repetitions=1)
    study = config(PAIRS[:1], BASELINE_ALONE, 1)
    answer = answer_rq2(budget(trials), study)
    assert answer.paragraph.startswith("No stopping arm was run")
    assert list(answer.points) == []
    assert headline_rq2(budget(trials), no_check(), study).text == answer.paragraph


def test_rq2_leaves_out_pairs_whose_baseline_never_completed():
    trials, _ = trials_and_windows(PAIRS[:2], repetitions=1, all_diverge=PAIRS[:1])
    answer = answer_rq2(budget(trials), config())
    assert (
        "no trial of the baseline completed: digits with logistic regression." in answer.paragraph
    )


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
    assert row["Wall time saved (%)"] == round(100 * studies["saved_fraction"].mean())
    assert row["Regret"] == pytest.approx(studies["regret"].mean())
    assert row["Best trial stopped"] == f"{studies['winner_stopped'].sum()} of 2"


def test_the_saving_of_one_repetition_is_a_number_without_an_interval():
    table = budget(trials_and_windows(repetitions=1)[0])
    summary = budget_summary(table).set_index(["Data set", "Algorithm", "Arm"])
    saved = summary["Steady time saved (%)"]
    of_memory = table[table["arm"] == "memory"]
    assert is_numeric_dtype(saved)
    assert sorted(saved.xs("memory", level="Arm")) == sorted(
        (100 * of_memory["steady_saved_fraction"]).round()
    )


def test_an_arm_whose_repetitions_agree_has_no_interval(trials):
    summary = budget_summary(budget(trials)).set_index("Arm")
    assert set(summary.loc["none (full budget)", "Steady time saved (%)"]) == {"0"}


def test_no_regret_of_zero_has_a_minus(trials):
    table = budget(trials).assign(test_regret=-1e-17)
    assert (budget_summary(table)["Test regret"] == 0).all()
