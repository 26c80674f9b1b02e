"""What the report says about the limits that quantiles of the baseline became."""

import pytest
from generated_tables import ARMS, PAIRS, budget, config, trials_and_windows

from sysstop.report.arms import arm_description, arm_limits, arm_limits_table
from sysstop.report.budget import answer_rq2


@pytest.fixture(scope="module")
def trials():
    return trials_and_windows(PAIRS[:2])[0]


def plain(text):
    return text.replace("\u00a0", " ")


def point_of(trials, arm):
    answer = answer_rq2(budget(trials), config(), arm_limits(trials))
    return plain(dict(answer.points)[arm])


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (
            [1.7, 1.9, 2.1],
            "1.9 ms (the 75 % quantile of the baseline; 1.7 to 2.1 ms over repetitions)",
        ),
        ([1.9], "1.9 ms (the 75 % quantile of the baseline)"),
        ([1.9, 1.90001], "1.9 ms (the 75 % quantile of the baseline)"),
        ([float("nan")], "what 75 % of the baseline's completed trials stay within"),
    ],
    ids=["repetitions", "one", "equal", "unknown"],
)
def test_a_quantile_is_said_with_the_number_that_it_became(limits, said):
    described = plain(arm_description(ARMS["step_time"], limits))
    assert described == f"as soon as its steady step time exceeds {said}"


def test_the_answer_names_the_limit_of_a_single_data_set(trials):
    one = trials[trials["algorithm"] == PAIRS[0][1]]
    limits = one.loc[one["arm"] == "memory", "limit"].unique()
    assert len(limits) == 2
    text = point_of(one, "memory")
    assert f"exceeds {limits.mean():.3g}" in text
    assert "the 75 % quantile of the baseline" in text
    assert f"{min(limits):.3g} to {max(limits):.3g} MB over repetitions" in text


def test_limits_of_different_data_sets_are_no_range_but_rows_of_a_table(trials):
    text = point_of(trials, "step time")
    assert (
        "75 % of the baseline's completed trials stay within (see the table Limits of the" in text
    )
    table = arm_limits_table(trials, config())
    assert list(table.columns) == [
        "Data set",
        "Algorithm",
        "Memory: Peak memory (MB)",
        "Predicted time: Predicted steady training time (s)",
        "Step time: Steady step time (ms)",
    ]
    of_first = trials[(trials["algorithm"] == PAIRS[0][1]) & (trials["arm"] == "memory")]
    low, high = sorted(of_first["limit"].unique())
    assert table.iloc[0, 2] == f"{(low + high) / 2:.3g} ({low:.3g} to {high:.3g})"


def test_a_rule_without_a_limit_and_an_absolute_one_are_not_in_the_table(trials):
    known = arm_limits(trials)
    assert set(known["arm"]) == {"memory", "predicted_time", "step_time"}
    absolute = config() | {"arms": ARMS | {"memory": {**ARMS["memory"], "limit": 5.0}}}
    del absolute["arms"]["memory"]["quantile"]
    assert not any("emory" in head for head in arm_limits_table(trials, absolute))
    nothing = trials[trials["arm"] == "none"]
    assert arm_limits_table(nothing, config()).empty
