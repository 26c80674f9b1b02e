"""What the report says about the better model at the same budget."""

import pandas as pd
import pytest
from generated_tables import ARMS, PAIRS, trials_and_windows

from sysstop.analysis.anytime import anytime_table
from sysstop.report.anytime import anytime_answer, anytime_digest, anytime_limitations

REGRETS = {"none": 0.2, "memory": 0.5, "plateau": 0.1, "step_time": 0.2}


def table(repetitions=3, regrets=REGRETS):
    """Arms whose regret stays as it is; the baseline's is 0 in the end."""
    rows = [
        {
            "dataset": "digits",
            "task": "classification",
            "algorithm": "logistic_regression",
            "arm": arm,
            "repetition": repetition,
            "budget_fraction": share,
            "normalised_regret": 0 if arm == "none" and share == 1 else regret,
            "without_model": 0.25,
        }
        for arm, regret in regrets.items()
        for repetition in range(1, repetitions + 1)
        for share in (0.25, 0.5, 1.0)
    ]
    return pd.DataFrame(rows)


def test_arms_are_judged_by_kind_against_random_search():
    answer = anytime_answer(table(), ARMS)
    assert "With half the budget random search has 0.20." in answer.paragraph
    assert (
        "Limits on system metrics: memory (0.50) finds worse models; step time (0.20) cannot be told "
        "from random search. Rules on model quality: plateau (0.10) finds better models. "
        "No arm has rules of both sorts."
    ) in answer.paragraph
    assert "leaves memory with 0.50, step time with 0.20 and plateau with 0.10" in answer.paragraph
    assert "over 3 repetitions, too few to rule out chance" in answer.paragraph
    assert answer.claim == (
        "With half the budget, plateau finds better models than random search; limits on system "
        "metrics do not."
    )


def test_that_nothing_is_better_is_said():
    answer = anytime_answer(table(regrets=REGRETS | {"plateau": 0.203}), ARMS)
    assert "plateau (0.20) cannot be told from random search" in answer.paragraph
    assert answer.claim.endswith("no arm finds measurably better models than random search.")


def test_a_single_search_has_numbers_and_no_verdict():
    answer = anytime_answer(table(repetitions=1), ARMS)
    assert "Rules on model quality: plateau (0.10)." in answer.paragraph
    assert "how much of this is chance is unknown" in answer.paragraph
    assert answer.claim == ""


def test_a_repeat_of_the_baseline_is_no_arm_to_compare():
    arms = ARMS | {"again": {"rule": "none"}}
    answer = anytime_answer(table(regrets={"none": 0.2, "again": 0.1}), arms)
    assert answer.paragraph.startswith("No arm stops trials")
    assert anytime_limitations({"again": arms["again"]}) == []


def test_the_table_has_the_budget_that_finds_as_much_as_random_search():
    digest = anytime_digest(table(), ARMS).set_index("Arm")
    budget = digest["Budget for what random search finds with 50 % (%)"]
    assert budget["Random search"] == 25
    assert budget["Plateau"] == 25
    assert pd.isna(budget["Memory"])
    assert digest.loc["Memory", "Stops on"] == "system metrics"
    assert digest.loc["Memory", "Against random search after 50 %"] == "0.30 (0.30 to 0.30)"


@pytest.mark.parametrize("diverge", [(), PAIRS[:1]], ids=["usual", "one pair diverges"])
def test_what_is_left_out_is_said(diverge):
    trials, _ = trials_and_windows(PAIRS[:2], repetitions=1, all_diverge=diverge)
    paragraph = anytime_answer(anytime_table(trials), ARMS).paragraph
    assert ("Left out: 1 repetition" in paragraph) == bool(diverge)
    assert "nan" not in paragraph
