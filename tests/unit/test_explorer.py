"""The explorer shows the replay's results; tests/browser checks that the reader sees them."""

import json
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest
from generated_tables import ARMS, GRID, PAIRS, trials_and_windows, trials_at_once

from sysstop.analysis.replay import replay_table, replayed_rules, trial_signals
from sysstop.report.explorer import (
    MOST_LIMITS,
    explorer_chart,
    explorer_html,
    explorer_studies,
    thinned,
)
from sysstop.report.wording import MISSING, number, percent
from tests.shipped import ENTRIES, LEVELS

BASELINE = {"none": ARMS["none"]}
SMALL_GRID = GRID | {"batch_size": [8, 512], "learning_rate": [0.1, 0.001]}
CLASSIFICATION = "digits with logistic regression"
REGRESSION = "diabetes_progression with linear regression"
STEP_TIME = "Steady step time (ms)"


def tables_of(pairs, repetitions=1, **simulated):
    trials, windows = trials_and_windows(pairs, BASELINE, repetitions, SMALL_GRID, **simulated)
    rules = replayed_rules(ARMS)
    replay = replay_table(trials, windows, rules, trials_at_once(trials), seed=2023)
    return replay, trial_signals(trials, windows, rules, LEVELS)


@pytest.fixture(scope="module")
def tables():
    return tables_of([PAIRS[0], PAIRS[2]], repetitions=2)


@pytest.fixture(scope="module")
def studies(tables):
    return explorer_studies(*tables, ENTRIES, LEVELS)


@pytest.fixture(scope="module")
def html(tables):
    return explorer_html(*tables, ENTRIES, LEVELS)


def rows_of(table, dataset, repetition, rule="metric_limit", metric="steady_step_time_ms"):
    is_meant = (table["dataset"] == dataset) & (table["repetition"] == repetition)
    return table[is_meant & (table["rule"] == rule) & (table["metric"] == metric)]


def test_every_data_set_repetition_and_system_metric_can_be_chosen(studies):
    assert list(studies) == [REGRESSION, CLASSIFICATION]
    for repetitions in studies.values():
        assert list(repetitions) == ["1", "2"]
        for study in repetitions.values():
            assert list(study["quantities"]) == [
                STEP_TIME,
                "Steady time per sample (µs)",
                "Steady training time (s)",
                "CPU (%)",
                "Memory (MB)",
                "Peak memory (MB)",
                "Steady prediction time (µs)",
                "Steady prediction per sample (µs)",
                "Model size (MB)",
                "Predicted steady training time (s)",
            ]


@pytest.mark.parametrize("repetition", [1, 2])
@pytest.mark.parametrize(
    ("rule", "metric", "quantity", "unit"),
    [
        ("metric_limit", "steady_step_time_ms", STEP_TIME, "ms"),
        ("metric_limit", "steady_train_time_s", "Steady training time (s)", "s"),
        ("predicted_train_time", "steady_train_time_s", "Predicted steady training time (s)", "s"),
    ],
)
def test_every_text_of_a_limit_is_a_number_of_its_row(
    tables, studies, repetition, rule, metric, quantity, unit
):
    rows = thinned(rows_of(tables[0], "digits", repetition, rule, metric))
    study = studies[CLASSIFICATION][str(repetition)]
    limits = study["quantities"][quantity]["limits"]
    assert limits["limit_text"] == [f"{number(value, 5)}\u00a0{unit}" for value in rows["limit"]]
    assert limits["stopped_text"] == [f"{n} of 8 trials" for n in rows["trials_stopped"]]
    assert limits["saved_time_text"] == list(map(percent, rows["saved_time_fraction"]))
    assert limits["saved_steps_text"] == list(map(percent, rows["saved_steps_fraction"]))
    assert limits["best_score_text"] == list(map(number, rows["best_score"]))
    assert limits["regret_text"] == list(map(number, rows["regret"]))
    assert limits["winner_stopped"] == rows["winner_stopped"].astype(int).tolist()


def test_what_is_drawn_of_a_limit_are_the_same_numbers(tables, studies):
    rows = thinned(rows_of(tables[0], "digits", 1))
    limits = studies[CLASSIFICATION]["1"]["quantities"][STEP_TIME]["limits"]
    for column, values in {
        "limit": rows["limit"],
        "saved_time_percent": 100 * rows["saved_time_fraction"],
        "best_score": rows["best_score"],
        "regret": rows["regret"],
    }.items():
        drawn = np.array(limits[column], dtype=float)
        np.testing.assert_allclose(drawn, values, rtol=1e-5)


@pytest.mark.parametrize(
    ("dataset", "pair"), [("digits", CLASSIFICATION), ("diabetes_progression", REGRESSION)]
)
def test_as_many_trials_are_drawn_as_stopped_as_the_row_counts(tables, studies, dataset, pair):
    rows = thinned(rows_of(tables[0], dataset, 1))
    limits_below = np.array(studies[pair]["1"]["quantities"][STEP_TIME]["trials"]["limits_below"])
    stopped = [(limits_below > at).sum() for at in range(len(rows))]
    assert stopped == rows["trials_stopped"].tolist()


def test_each_trial_is_drawn_with_its_configuration_score_and_reading(tables, studies):
    trials = rows_of(tables[1], "digits", 2)
    study = studies[CLASSIFICATION]["2"]
    for name in ("batch_size", "learning_rate", "alpha"):
        assert study["trials"][name] == trials[name].tolist()
    assert study["trials"]["score_text"] == list(map(number, trials["score"]))
    reading = study["quantities"][STEP_TIME]["trials"]["reading"]
    np.testing.assert_allclose(reading, trials["largest_signal"], rtol=1e-5)


def test_scores_are_named_as_what_they_are(studies):
    names = {
        pair: (of_pair["1"]["score"], of_pair["1"]["regret"]) for pair, of_pair in studies.items()
    }
    assert names == {
        CLASSIFICATION: ("accuracy", "accuracy"),
        REGRESSION: ("minus RMSE", "RMSE"),
    }


@pytest.mark.parametrize("count", [1, 2, MOST_LIMITS, MOST_LIMITS + 1, 200])
def test_thinning_keeps_both_ends_and_the_order(count):
    rows = pd.DataFrame({"limit": np.random.default_rng(0).permutation(count)})
    kept = thinned(rows)["limit"].tolist()
    assert len(kept) == min(count, MOST_LIMITS)
    assert (kept[0], kept[-1]) == (0, count - 1)
    assert kept == sorted(set(kept))


def test_a_limit_that_leaves_no_trial_has_a_dash_and_draws_nothing(tables):
    replay = tables[0].assign(best_score=np.nan, regret=np.nan)
    study = explorer_studies(replay, tables[1], ENTRIES, LEVELS)[REGRESSION]["1"]
    limits = study["quantities"][STEP_TIME]["limits"]
    for column in ("best_score", "regret"):
        assert set(limits[column]) == {None}
        assert set(limits[f"{column}_text"]) == {MISSING}


def test_trials_that_cannot_be_drawn_are_counted(tables):
    replay, signals = tables
    signals = signals.assign(
        trial=signals.groupby(["dataset", "repetition", "rule", "metric"]).cumcount()
    )
    for trial, column, value in [
        (0, "score", np.nan),
        (1, "largest_signal", -np.inf),
        (2, "largest_signal", np.nan),
        (3, "largest_signal", 0.0),
        (4, "largest_signal", np.inf),
    ]:
        signals.loc[signals["trial"] == trial, column] = value
    study = explorer_studies(replay, signals, ENTRIES, LEVELS)[CLASSIFICATION]["1"]
    assert study["trials"]["score"][0] is None
    assert study["trials"]["score_text"][0] == MISSING
    quantity = study["quantities"][STEP_TIME]
    assert quantity["trials"]["reading"][1:5] == [None] * 4
    limits = len(quantity["limits"]["limit"])
    assert quantity["trials"]["limits_below"][1:5] == [0, 0, 0, limits]
    assert quantity["note"] == "Not drawn: 5 trials without score or reading."


def test_a_far_lower_score_is_drawn_at_the_bottom_and_said_as_it_is(tables):
    replay, signals = tables
    worst = signals["trial_id"] == signals["trial_id"].iloc[0]
    signals = signals.assign(score=signals["score"].mask(worst, -1e9))
    study = explorer_studies(replay, signals, ENTRIES, LEVELS)[CLASSIFICATION]["1"]
    assert study["trials"]["score"][0] == min(study["trials"]["score"]) > -10
    assert study["trials"]["score_text"][0] == number(-1e9)
    note = study["quantities"][STEP_TIME]["note"]
    assert note == "Drawn at the bottom: 1 trial with a lower score."


def test_a_study_whose_trials_all_diverged_can_be_shown():
    pair = PAIRS[2]
    html = explorer_html(*tables_of([pair], all_diverge=[pair]), ENTRIES, LEVELS)
    assert "Not drawn: 8 trials" in html


def test_names_of_the_user_stay_text():
    name = "</script><script>alert('a & b')//<!--"
    html = explorer_html(*tables_of([(name, "logistic_regression")]), ENTRIES, LEVELS)
    options = re.search(r'<select id="explorer-pair">(.*?)</select>', html).group(1)
    assert unescape(options) == f"<option>{name} with logistic regression</option>"
    assert "<script>alert" not in html and "<!--" not in html
    assert html.count("<script") == html.count("</script") == 3


def test_the_page_offers_repetitions_only_if_there_are_several(html):
    assert "<label>Repetition" in html
    assert "<label hidden>Repetition" in explorer_html(*tables_of(PAIRS[:1]), ENTRIES, LEVELS)


def test_nothing_replayed_is_said(tables):
    replay, signals = tables
    on_losses = replay[replay["rule"] == "plateau"]
    for nothing in (replay.iloc[:0], on_losses):
        html = explorer_html(nothing, signals, ENTRIES, LEVELS)
        assert "no limit on a system metric was replayed" in html
        assert "<script" not in html


def test_the_explorer_names_no_address_outside_the_library(html):
    assert "://" not in json.dumps(explorer_chart(LEVELS))
    library = re.search(r"<script>.*?</script>", html, re.DOTALL).group()
    own = html.replace(library, "")
    for address in ("://", " src=", " href=", "url(", "@import", "import("):
        assert address not in own


def test_the_page_stays_small(html):
    assert len(html.encode()) < 1_500_000
