"""The replay on traces whose truth is known, and against a recomputation that shares no code."""

import numpy as np
import pandas as pd
import pytest
from generated_tables import ARMS, budget, trials_and_windows, trials_at_once

from sysstop.analysis import replay as replay_module
from sysstop.analysis.budgets import SAVED_TIMES
from sysstop.analysis.chance import random_best
from sysstop.analysis.recording import Recording, recordings, replay_stops
from sysstop.analysis.replay import (
    MOST_LIMITS,
    REPLAY_SCHEMA,
    pooled_limits,
    replay_summary,
    replay_table,
    replayed_rules,
    rules_on_one_trial,
    trial_signals,
)
from sysstop.analysis.virtual_search import virtual_searches
from sysstop.study.metrics import METRIC_BY_NAME, metric_names, steady_system_metrics
from sysstop.study.rules import (
    BestCost,
    MedianRule,
    MetricLimit,
    SuccessiveHalving,
    effective_signals,
)
from tests.shipped import LEVELS

RULES = replayed_rules(ARMS)


@pytest.fixture(scope="module")
def simulated():
    return trials_and_windows(
        pairs=[
            ("digits", "logistic_regression"),
            ("diabetes_progression", "linear_regression"),
        ]
    )


@pytest.fixture(scope="module")
def replay(simulated):
    return replay_table(*simulated, RULES, trials_at_once(simulated[0]), seed=2023)


def recording(**curves):
    """A recording of complete trials; each curve is trials x windows, 100 steps a window."""
    shape = np.shape(next(iter(curves.values())))
    nothing = {name: np.full(shape, np.nan) for name in metric_names()}
    seconds = np.tile(np.arange(1.0, shape[1] + 1), (shape[0], 1))
    steps = 100 * seconds
    given = {name: np.array(values, dtype=float) for name, values in curves.items()}
    times = {"step": steps, "steady_train_time_s": seconds, "eval_time_s": 0 * seconds}
    return Recording(
        np.array([f"trial{at}" for at in range(shape[0])]),
        np.full(shape[0], 100 * shape[1]),
        np.full(shape[0], True),
        np.full(shape[0], shape[1]),
        nothing | times | given,
    )


def recomputed_by_hand(trials, windows, point):
    """One point of the replay for a metric limit, in plain pandas: rows of windows, one by one."""
    mine = (trials["dataset"] == point["dataset"]) & (trials["repetition"] == point["repetition"])
    mine &= (trials["arm"] == "none") & (trials["algorithm"] == point["algorithm"])
    used_steps = used_time = all_steps = all_time = stopped_trials = 0
    best = baseline_best = -np.inf
    for _, trial in trials[mine].iterrows():
        rows = windows[
            (windows["trial_id"] == trial["trial_id"])
            & (windows["dataset"] == trial["dataset"])
            & (windows["algorithm"] == trial["algorithm"])
            & (windows["arm"] == "none")
            & (windows["repetition"] == trial["repetition"])
        ].sort_values("window")
        end, stopped = rows.iloc[-1], False
        over_windows = METRIC_BY_NAME[point["metric"]].over_windows
        for number, (_, row) in enumerate(rows.iterrows(), 1):
            seen = rows[point["metric"]].head(number)
            so_far = seen.iloc[-1] if over_windows == "last" else seen.agg(over_windows)
            if row["step"] < trial["steps_planned"] and so_far > point["limit"]:
                end, stopped = row, True
                break
        used_steps += end["step"]
        used_time += end["steady_train_time_s"]
        all_steps += rows.iloc[-1]["step"]
        all_time += rows.iloc[-1]["steady_train_time_s"]
        stopped_trials += stopped
        if trial["status"] == "completed":
            baseline_best = max(baseline_best, trial["score"])
            best = best if stopped else max(best, trial["score"])
    return {
        "trials_stopped": stopped_trials,
        "saved_steps_fraction": 1 - used_steps / all_steps,
        "saved_time_fraction": 1 - used_time / all_time,
        "regret": baseline_best - best if np.isfinite(best) else np.nan,
    }


def test_three_points_agree_with_a_recomputation_in_plain_pandas(simulated, replay):
    of_limits = replay[(replay["rule"] == "metric_limit") & replay["trials_stopped"].gt(0)]
    for metric, place in (
        ("steady_step_time_ms", 0.3),
        ("memory_peak_mb", 0.6),
        ("steady_train_time_s", 0.8),
    ):
        of_metric = of_limits[of_limits["metric"] == metric]
        point = of_metric.iloc[int(place * len(of_metric))]
        expected = recomputed_by_hand(*simulated, point)
        for name, value in expected.items():
            assert point[name] == pytest.approx(value, abs=1e-9, nan_ok=True), (metric, name)


def test_the_budget_table_agrees_with_a_recomputation_in_plain_pandas(simulated):
    trials, windows = simulated
    table = budget(trials)
    keys = ["dataset", "algorithm", "repetition"]
    ends = windows.sort_values("window").groupby([*keys, "arm", "trial_id"]).tail(1)
    used = ends.groupby([*keys, "arm"])[["step", *SAVED_TIMES]].sum().reset_index()
    baseline = used[used["arm"] == "none"].set_index(keys)
    assert len(table) == len(used)
    for _, study in table.iterrows():
        is_study = (used[[*keys, "arm"]] == study[[*keys, "arm"]]).all(axis=1)
        mine = used[is_study].iloc[0]
        full = baseline.loc[tuple(study[keys])]
        assert study["steps_used"] == mine["step"]
        saved_s = {saved: full[time] - mine[time] for time, saved in SAVED_TIMES.items()}
        assert study[list(saved_s)].to_dict() == pytest.approx(saved_s)
        for steady in ("steady_", ""):
            share = saved_s[SAVED_TIMES[f"{steady}train_time_s"]] / full[f"{steady}train_time_s"]
            assert study[f"{steady}saved_fraction"] == pytest.approx(share)
        own = trials[(trials[[*keys, "arm"]] == study[[*keys, "arm"]]).all(axis=1)]
        full = trials[(trials[keys] == study[keys]).all(axis=1) & (trials["arm"] == "none")]
        best, full_best = (t.loc[t["candidate"], "score"].max() for t in (own, full))
        assert study["regret"] == pytest.approx(full_best - best, nan_ok=True)
        stopped = set(own.loc[own["status"] == "stopped", "trial_id"])
        winners = full.loc[full["candidate"]].sort_values(
            ["score", "trial_id"], ascending=[False, True]
        )
        assert study["winner_stopped"] == (winners["trial_id"].iloc[0] in stopped)


def test_the_table_has_every_rule_on_every_system_metric_and_of_times_on_the_steady_ones(replay):
    assert list(replay.columns) == list(REPLAY_SCHEMA.columns)
    of_limits = replay[replay["rule"] == "metric_limit"]
    assert set(of_limits["metric"]) == set(steady_system_metrics())
    wall = {
        "step_time_ms",
        "sample_time_us",
        "train_time_s",
        "predict_time_us",
        "predict_sample_us",
    }
    assert set(metric_names("system")) - set(steady_system_metrics()) == wall
    predicted = replay.loc[replay["rule"] == "predicted_train_time", "metric"]
    assert set(predicted) == {"steady_train_time_s"}
    others = {"predicted_train_time", "plateau", "median", "best_cost", "successive_halving"}
    assert set(replay["rule"]) == {"metric_limit", *others}


def test_a_limit_on_wall_time_is_replayed_where_an_arm_has_one():
    arms = {
        "slow": {"rule": "metric_limit", "metric": "step_time_ms", "limit": 2},
        "long": {"rule": "predicted_train_time", "metric": "train_time_s", "limit": 2},
    }
    rules = {(rule.name, rule.metric) for rule in replayed_rules(arms)}
    named = {("metric_limit", "step_time_ms"), ("predicted_train_time", "train_time_s")}
    usual = {(rule.name, rule.metric) for rule in replayed_rules({})}
    assert rules == usual | named
    assert not usual & named


def test_the_largest_limit_stops_nothing_and_a_smaller_one_never_less(replay):
    own = replay[replay["rule"].isin(["metric_limit", "predicted_train_time", "plateau"])]
    keys = ["dataset", "algorithm", "repetition", "rule", "metric"]
    for _, curve in own.sort_values("limit").groupby(keys):
        assert (curve["trials_stopped"].diff().dropna() <= 0).all()
        assert (curve["saved_steps_fraction"].diff().dropna() <= 1e-12).all()
    largest = own.sort_values("limit").groupby(keys[:2] + keys[3:]).tail(1)
    assert (largest["trials_stopped"] == 0).all()
    assert (largest["saved_time_fraction"] == 0).all()


def test_a_trial_is_stopped_if_and_only_if_its_largest_signal_exceeds_the_limit(simulated, replay):
    signals = trial_signals(*simulated, RULES, LEVELS)
    keys = ["dataset", "algorithm", "repetition", "rule", "metric"]
    largest = {names: group["largest_signal"] for names, group in signals.groupby(keys)}
    own = replay[replay["rule"].isin({rule.name for rule in rules_on_one_trial(RULES)})]
    for point in own.sample(200, random_state=1).to_dict("records"):
        stopped = (largest[tuple(point[key] for key in keys)] > point["limit"]).sum()
        assert point["trials_stopped"] == stopped


def test_a_known_winner_is_lost_and_a_known_saving_found():
    known = recording(
        memory_peak_mb=[[10, 10, 10, 10], [10, 50, 50, 50], [90, 90, 90, 90]],
        score=[[0.1, 0.2, 0.3, 0.5], [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.9]],
    )
    rule = MetricLimit("memory_peak_mb", 40)
    signals = effective_signals(rule, known.curves, known.steps_planned)
    stops = replay_stops(signals, known, 40)
    assert list(stops.windows_used) == [4, 2, 1]
    assert list(stops.stopped) == [False, True, True]
    assert known.winner == 2


def test_limits_are_all_values_that_distinguish_trials_and_never_too_many():
    few = np.array([[3.0, 1.0, -np.inf], [2.0, 5.0, -np.inf]])
    assert list(pooled_limits([few])) == [2, 3, 5]
    many = np.random.default_rng(1).normal(size=(100, 30))
    limits = pooled_limits([many])
    assert len(limits) == MOST_LIMITS
    assert limits[-1] == many.max()


def test_random_stopping_of_a_known_grid():
    # Of three trials with scores 3, 2 and 1, one thrown away at random leaves 3, 3 or 2 as the best.
    assert random_best(np.array([1.0, 3.0, 2.0]), trials=3) == pytest.approx(
        [3, 8 / 3, 2, np.nan], nan_ok=True
    )


def test_random_stopping_is_what_drawing_gives():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=8)
    drawn = []
    for _ in range(20_000):
        kept = rng.permutation(10)[:4]  # two of the ten trials diverged, six are thrown away
        drawn.append(scores[kept[kept < 8]].max())
    assert random_best(scores, trials=10)[6] == pytest.approx(np.mean(drawn), abs=0.02)


def test_on_pure_noise_no_limit_beats_random_stopping():
    """The metric says nothing about the score: regrets equal those of random stopping on average."""
    rng = np.random.default_rng(4)
    differences = []
    for _ in range(200):
        noise = recording(
            memory_mb=np.repeat(rng.normal(100, 10, (16, 1)), 3, axis=1),
            score=np.repeat(rng.normal(0, 1, (16, 1)), 3, axis=1),
        )
        signals = effective_signals(MetricLimit("memory_mb", 0), noise.curves, noise.steps_planned)
        stops = replay_stops(signals, noise, np.median(signals[:, 0]))
        kept = noise.final_scores()[~stops.stopped]
        differences.append(random_best(noise.final_scores(), 16)[stops.stopped.sum()] - kept.max())
    standard_error = np.std(differences) / np.sqrt(len(differences))
    assert abs(np.mean(differences)) < 3 * standard_error


def test_in_virtual_time_a_worker_takes_the_next_trial_as_soon_as_it_is_free():
    # Two workers: the first trial takes 5 s, in which the second and third are done with 2 s each.
    times = [[2, 5], [1, 2], [1, 2]]
    known = recording(steady_train_time_s=times)
    seen = []

    class Spy(BestCost):
        def signal(self, own, window, others, finished):
            seen.append((own, window, list(others), list(finished)))
            return 0.0

    (stops,) = virtual_searches(known, Spy(), limits=[1.0], workers=2, order=[0, 1, 2])
    assert not stops.stopped.any()
    assert seen[0] == (1, 0, [], [])
    assert seen[-1] == (5, 1, [], [2, 2])
    assert len(seen) == 6


def test_the_median_rule_stops_a_trial_that_is_worse_than_most_before_it():
    losses = [[1.0, 1.0]] * 4 + [[9.0, 9.0]]
    known = recording(val_loss=losses)
    (stops,) = virtual_searches(known, MedianRule(), limits=[0.5], workers=1, order=range(5))
    assert list(stops.stopped) == [False] * 4 + [True]
    assert stops.windows_used[4] == 1


def test_the_cheapest_finished_trial_bounds_the_cost_of_later_ones():
    times = [[1, 2, 3, 4], [10, 20, 30, 40], [1, 2, 3, 4]]
    known = recording(steady_train_time_s=times)
    (stops,) = virtual_searches(known, BestCost(), limits=[4.0], workers=1, order=range(3))
    assert list(stops.windows_used) == [4, 2, 4]  # stopped after 20 s, beyond 4 times 4 s


def test_successive_halving_keeps_the_best_share_at_each_rung():
    losses = [[1, 1, 1, 1], [2, 2, 2, 2], [3, 3, 3, 3], [0.5, 0.5, 0.5, 0.5]]
    known = recording(val_loss=losses)
    (stops,) = virtual_searches(known, SuccessiveHalving(), limits=[0.4], workers=1, order=range(4))
    assert list(stops.stopped) == [False, True, True, False]


def test_a_diverging_loss_counts_as_the_worst():
    known = recording(val_loss=[[1.0, 1.0]] * 4 + [[np.nan, np.nan]])
    (stops,) = virtual_searches(known, MedianRule(), limits=[0.5], workers=1, order=range(5))
    assert stops.stopped[4]


def test_the_summary_finds_the_free_saving_and_the_knee():
    points = [(4, 0.0, 0.0), (3, 0.4, 0.0), (2, 0.5, 0.01), (1, 0.6, 1.0), (0, 0.9, np.nan)]
    curve = pd.DataFrame(points, columns=["limit", "saved_time_fraction", "regret"])
    keys = {"dataset": "digits", "algorithm": "linear_regression", "rule": "metric_limit"}
    curve = curve.assign(**keys, metric="memory_mb", repetition=1, random_regret=0.5)
    curve["saved_steps_fraction"] = curve["saved_time_fraction"]
    summary = replay_summary(curve).iloc[0]
    assert (summary["free_limit"], summary["free_saved_time_fraction"]) == (3, 0.4)
    assert (summary["knee_limit"], summary["knee_regret"]) == (2, 0.01)
    assert summary["knee_random_regret"] == 0.5


def test_a_limit_is_free_only_if_it_is_in_every_repetition():
    keys = {"dataset": "digits", "algorithm": "linear_regression", "rule": "metric_limit"}
    curve = pd.DataFrame(
        [(1, 5, 0.4, 0.0), (2, 5, 0.4, 0.1), (1, 9, 0.1, 0.0), (2, 9, 0.1, 0.0)],
        columns=["repetition", "limit", "saved_time_fraction", "regret"],
    ).assign(**keys, metric="memory_mb", random_regret=0.0, saved_steps_fraction=0.0)
    assert replay_summary(curve).iloc[0]["free_limit"] == 9


def test_a_limit_found_in_one_repetition_is_judged_by_the_others():
    keys = {"dataset": "digits", "algorithm": "linear_regression", "rule": "metric_limit"}
    points = [(1, 5, 0.4, 0.0), (2, 5, 0.3, 0.1), (1, 9, 0.1, 0.0), (2, 9, 0.2, 0.0)]
    columns = ["repetition", "limit", "saved_time_fraction", "regret"]
    curve = pd.DataFrame(points, columns=columns)
    curve = curve.assign(**keys, metric="memory_mb", random_regret=0.0, saved_steps_fraction=0.0)
    # 5 is chosen in the first repetition, 9 in the second.
    both = replay_summary(curve).iloc[0]
    assert both["transfer_saved_time_fraction"] == pytest.approx((0.3 + 0.1) / 2)
    assert both["transfer_regret"] == pytest.approx((0.1 + 0.0) / 2)
    once = replay_summary(curve[curve["repetition"] == 1]).iloc[0]
    assert once[["transfer_saved_time_fraction", "transfer_regret"]].isna().all()


def test_on_pure_noise_a_limit_found_in_hindsight_promises_what_it_does_not_keep():
    rng = np.random.default_rng(6)
    keys = {"dataset": "digits", "algorithm": "linear_regression"}
    summaries = []
    for _ in range(30):
        noise = {r: (rng.random(16), rng.random(16)) for r in (1, 2, 3)}
        rows = []
        for limit in np.concatenate([readings for readings, _ in noise.values()]):
            for repetition, (readings, scores) in noise.items():
                kept = readings <= limit
                regret = scores.max() - scores[kept].max() if kept.any() else np.nan
                rows.append((repetition, limit, 1 - kept.mean(), regret))
        columns = ["repetition", "limit", "saved_time_fraction", "regret"]
        curve = pd.DataFrame(rows, columns=columns).assign(
            **keys, rule="metric_limit", metric="memory_mb", random_regret=0.0
        )
        curve["saved_steps_fraction"] = curve["saved_time_fraction"]
        summaries.append(replay_summary(curve))
    found = pd.concat(summaries)
    assert (found["free_regret"].dropna() == 0).all()
    assert (found["transfer_regret"] == 0).mean() < 0.1


def test_a_study_in_which_all_diverge_has_no_regret(simulated):
    pair = ("digits", "logistic_regression")
    tables = trials_and_windows(pairs=[pair], repetitions=1, all_diverge=[pair])
    table = replay_table(*tables, RULES, trials_at_once(tables[0]), seed=1)
    assert table["regret"].isna().all()
    assert not table["winner_stopped"].any()


def test_failed_trials_are_left_out(simulated):
    trials, windows = simulated
    failed = trials["trial_id"] == trials["trial_id"].iloc[0]
    changed = trials.assign(status=trials["status"].mask(failed, "failed"))
    assert all(
        trials["trial_id"].iloc[0] not in recording.trial_ids
        for _, recording in recordings(changed, windows)
    )


def test_signals_are_computed_once_for_all_limits(simulated, replay, monkeypatch):
    """A limit costs one comparison with them."""
    computed = []

    def counted(rule, *recorded):
        computed.append(rule)
        return effective_signals(rule, *recorded)

    monkeypatch.setattr(replay_module, "effective_signals", counted)
    assert replay_table(*simulated, RULES, trials_at_once(simulated[0]), seed=2023).equals(replay)
    studies = len(replay.groupby(["dataset", "algorithm", "repetition"]))
    assert len(computed) == studies * len(rules_on_one_trial(RULES))
    assert len(replay) > 10 * len(computed)
