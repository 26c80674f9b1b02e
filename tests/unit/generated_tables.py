"""Realistic tables from a simulated study, for tests of the figures, the tables and the report.

The truth of the simulation is known: a step costs a fixed time plus a time per sample, learning
rate and alpha cost nothing, a large learning rate diverges in regressions, and limits stop large
batches. Wall time is noisier than steady time.
"""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from sysstop.analysis.anytime import anytime_table
from sysstop.analysis.budgets import best_trials, budget_table
from sysstop.analysis.effects import cost_model, effect_table
from sysstop.analysis.noise import noise_table
from sysstop.analysis.prediction import prediction_saving_table, prediction_table
from sysstop.analysis.recommendations import configuration_table, pareto_table, recommendation_table
from sysstop.analysis.recording import recordings
from sysstop.analysis.replay import replay_summary, replay_table, replayed_rules, trial_signals
from sysstop.analysis.replay_check import replay_check_table
from sysstop.analysis.virtual_search import arm_stops, start_order
from sysstop.results.journal import FinishedTrial, window_columns
from sysstop.results.tables import checked, study_tables, trials_schema, windows_schema
from sysstop.study.arms import make_rule, needs_baseline
from sysstop.study.keys import REPLICATE, STUDY, TRIAL
from sysstop.study.metrics import metric_names
from sysstop.study.rules import ArmRule, decide
from sysstop.study.status import BUDGET_USED, Status, TrialEnd
from sysstop.study.studies import BASELINE_ARM, Study, order_seed
from tests.shipped import ALGORITHMS, ENTRIES, LEVELS, point

FOLDS, STEPS, WINDOW_STEPS = 5, 1000, 100
PAIRS = (
    ("digits", "logistic_regression"),
    ("digits", "support_vector_machine"),
    ("diabetes_progression", "linear_regression"),
    ("diabetes_progression", "support_vector_regressor"),
)
GRID = {
    "batch_size": [2, 8, 32, 128, 512],
    "learning_rate": [0.1, 0.01, 0.001, 0.0001],
    "alpha": [0.01, 0.0001],
}
ARMS = {
    "none": {"rule": "none"},
    "step_time": {"rule": "metric_limit", "metric": "steady_step_time_ms", "quantile": 0.75},
    "memory": {"rule": "metric_limit", "metric": "memory_peak_mb", "quantile": 0.75},
    "predicted_time": {"rule": "predicted_train_time", "quantile": 0.75},
    "plateau": {"rule": "plateau", "metric": "val_loss", "patience": 2, "min_improvement": 0.001},
}


def config(
    pairs: Sequence[tuple[str, str]] = PAIRS,
    arms: Mapping[str, Mapping] = ARMS,
    repetitions: int = 2,
    grid: Mapping[str, Sequence] = GRID,
) -> dict:
    """Return the config of the simulated study."""
    datasets = {
        dataset: {
            "source": "sklearn",
            "task": ALGORITHMS[algorithm].task,
            "type": "tabular",
            "rows": 1797,
            "features": 64,
            "licence": "free",
        }
        | ({"classes": 10} if ALGORITHMS[algorithm].task == "classification" else {})
        for dataset, algorithm in pairs
    }
    return {
        "study": {
            "datasets": list(dict.fromkeys(dataset for dataset, _ in pairs)),
            "algorithms": list(dict.fromkeys(algorithm for _, algorithm in pairs)),
            "arms": list(arms),
            "repetitions": repetitions,
            "seed": 2023,
        },
        "algorithms": ENTRIES,
        "hyperparameters": LEVELS,
        "grid": dict(grid),
        "budget": {
            "steps": STEPS,
            "epochs": None,
            "seconds": None,
            "window_steps": WINDOW_STEPS,
            "warmup_steps": 10,
        },
        "split": {"test_fraction": 0.3, "folds": FOLDS},
        "arms": dict(arms),
        "constraints": {},
        "search": {
            "workers": 2,
            "trial_timeout_s": None,
            "max_failed_fraction": 0.1,
            "ray_address": "local",
        },
        "tracking": {"uri": "sqlite:///results/mlflow/mlflow.db"},
        "data": {"pmlb_cache": None},
        "datasets": datasets,
    }


def trials_and_windows(
    pairs: Sequence[tuple[str, str]] = PAIRS,
    arms: Mapping[str, Mapping] = ARMS,
    repetitions: int = 2,
    grid: Mapping[str, Sequence] = GRID,
    all_diverge: Sequence[tuple[str, str]] = (),
    seed: int = 2023,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate every study of these pairs and arms; every trial of `all_diverge` diverges."""
    rng = np.random.default_rng(seed)
    tables = []
    for pair_number, pair in enumerate(pairs):
        for repetition in range(1, repetitions + 1):
            baseline = None
            for arm in arms:
                trials, windows = _study(
                    rng, pair_number, pair, arm, arms[arm], repetition, grid, baseline,
                    diverges=pair in all_diverge,
                )  # fmt: skip
                if trials is None:
                    continue
                baseline = trials if arm == BASELINE_ARM else baseline
                tables.append((trials, windows))
    trials, windows = zip(*tables, strict=True)
    return (
        checked(pd.concat(trials), trials_schema(LEVELS)),
        checked(pd.concat(windows), windows_schema()),
    )


def _study(rng, pair_number, pair, arm, arm_entry, repetition, grid, baseline, diverges):
    completed = baseline is None or (baseline["status"] == "completed").any()
    if not completed and needs_baseline(arm_entry):
        return None, None
    rule = make_rule(arm_entry, baseline)
    finished = [
        _trial(rng, pair_number, pair[1], point(*values), rule, diverges)
        for values in product(grid["batch_size"], grid["learning_rate"], grid["alpha"])
    ]
    run_ids = {trial.trial_id: "run" for trial in finished}
    study = Study(*pair, arm, repetition)
    limit = rule.as_data.get("limit") if rule else None
    return study_tables(
        study,
        finished,
        run_ids,
        limit,
        task=ALGORITHMS[study.algorithm].task,
        levels=LEVELS,
    )


def _trial(rng, pair_number, algorithm, configuration, rule, diverges):
    task = ALGORITHMS[algorithm].task
    batch, rate = configuration.batch_size, configuration.values["learning_rate"]
    fixed_ms, per_sample_us = 0.4 + 1.5 * pair_number, 20.0 + 9 * pair_number
    pace = rng.lognormal(0, 0.05)
    steady_noise = rng.spawn(1)[0]
    memory_mb = 40 + batch * 0.02 + rng.normal(0, 0.3)
    dies_at = 2 if diverges or (task == "regression" and rate >= 0.1 and batch >= 512) else None
    windows, stop, train_time_s, steady_time_s = [], None, 0.0, 0.0
    for window in range(1, STEPS // WINDOW_STEPS + 1):
        nominal_ms, slowdown = fixed_ms + per_sample_us * batch / 1e3, pace * rng.lognormal(0, 0.03)
        step_ms = nominal_ms * slowdown
        steady_ms = nominal_ms * steady_noise.lognormal(0, 0.01)
        train_time_s += step_ms * WINDOW_STEPS * FOLDS / 1e3
        steady_time_s += steady_ms * WINDOW_STEPS * FOLDS / 1e3
        progress = 1 - np.exp(-((batch * rate * window * 40) ** 0.5) / 12)
        quality = dict.fromkeys(metric_names("quality"), np.nan)
        if window != dies_at:
            loss = (
                2.3
                - 2.0 * progress
                + 0.02 * abs(np.log10(rate) + 2)
                + configuration.values["alpha"]
            )
            loss += 0.3 * max(0.0, rate * window - 0.5)
            score = 0.1 + 0.86 * progress if task == "classification" else -(80 - 25 * progress)
            quality |= {"train_loss": loss, "val_loss": 1.05 * loss, "score": score}
            quality["accuracy" if task == "classification" else "rmse"] = abs(score)
        windows.append(
            quality
            | {
                "window": window,
                "step": window * WINDOW_STEPS,
                "steady_step_time_ms": steady_ms,
                "steady_sample_time_us": 1e3 * steady_ms / batch,
                "steady_train_time_s": steady_time_s,
                "slowdown": slowdown,
                "context_switches": 40.0 * window,
                "run_queue_delay_s": 0.01 * train_time_s,
                "stolen_time_s": 0.0,
                "step_time_ms": step_ms,
                "sample_time_us": 1e3 * step_ms / batch,
                "train_time_s": train_time_s,
                "cpu_percent": min(100.0, 98 + rng.normal(0, 0.8)),
                "memory_mb": memory_mb,
                "memory_peak_mb": memory_mb + batch * 0.03,
                "memory_baseline_mb": 38.0,
                "predict_time_us": (90 + 5 * pair_number) * slowdown,
                "predict_sample_us": (0.2 + 0.1 * pair_number) * slowdown,
                "steady_predict_time_us": 90 + 5 * pair_number,
                "steady_predict_sample_us": 0.2 + 0.1 * pair_number,
                "model_mb": 3 / 1024,
                "eval_time_s": 0.1 * window,
                "cpu_time_s": 0.99 * train_time_s + 0.1 * window,
                "wall_time_s": 1.01 * train_time_s + 0.12 * window,
                "samples_used": float(window * WINDOW_STEPS * FOLDS * batch),
            }
        )
        if window == dies_at:
            break
        stop = decide(rule, windows, STEPS)
        if stop:
            break
    end = TrialEnd(Status.COMPLETED, BUDGET_USED)
    if dies_at:
        end = TrialEnd(Status.DIVERGED, "overflow")
    if stop:
        end = TrialEnd(Status.STOPPED, stop.rule, stop)
    return FinishedTrial(
        configuration.trial_id,
        configuration,
        STEPS,
        end,
        environment={"host": "127.0.0.1"},
        windows={name: [window[name] for window in windows] for name in window_columns()},
        losses=np.array([]),
        core=0,
    )


def live_search(
    trials: pd.DataFrame,
    windows: pd.DataFrame,
    arm: str,
    rule: ArmRule,
    workers: int = 2,
    pace: np.ndarray | float = 1.0,
    seed: int = 2023,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return trials and windows with an arm more, whose rule compares the baseline's trials live.

    `pace` (trials) multiplies what each trial takes; it is not in the readings.
    """
    parts = [(trials, windows)]
    for keys, recording in recordings(trials, windows):
        order = start_order(recording, recording.trial_ids, order_seed(seed, **keys))
        stops = arm_stops(recording, rule, workers, order, pace)
        used = pd.Series(stops.windows_used, index=recording.trial_ids)
        stopped = pd.Series(stops.stopped, index=recording.trial_ids)
        of_study, its_windows = (
            table[(table[[*keys]] == pd.Series(keys)).all(axis=1) & (table["arm"] == BASELINE_ARM)]
            for table in (trials, windows)
        )
        its_windows = its_windows[its_windows["window"] <= its_windows["trial_id"].map(used)]
        last = its_windows.groupby("trial_id").tail(1).set_index("trial_id")
        live = of_study.set_index("trial_id").loc[recording.trial_ids]
        spent = ["steady_train_time_s", "train_time_s", "cpu_time_s", "eval_time_s", "score"]
        live[spent] = last.loc[live.index, spent]
        live["steps_used"] = last.loc[live.index, "step"].astype(int)
        live["status"] = live["status"].mask(stopped, Status.STOPPED)
        live["candidate"] &= ~stopped | all(part.stopped_is_candidate for part in rule.parts)
        given = rule.as_data.get("limit", np.nan)
        live = live.assign(arm=arm, limit=given).reset_index()[list(trials.columns)]
        parts.append((live, its_windows.assign(arm=arm)))
    return tuple(pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))


def searches_of(
    trials: pd.DataFrame,
    workers: int = 2,
    rule_wait_s: float = 0.5,
    rule: ArmRule | None = None,
) -> dict:
    """Return the summaries of the searches of these trials, as far as the replay's check needs them."""
    summary = {"workers": workers, "rule_wait_s": rule_wait_s, "resumed_trials": 0}
    summary["rule"] = rule.as_data if rule else None
    return dict.fromkeys(trials.groupby(STUDY).groups, summary)


def budget(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the budget table of these trials; on the test part scores are 0.01 lower."""
    best = best_trials(trials)
    scores = best[TRIAL].assign(test_score=best["score"] - 0.01)
    return budget_table(trials, scores)


def trials_at_once(trials: pd.DataFrame, workers: int = 2) -> dict[tuple, int]:
    """Return how many trials ran at once in each study, in the form that the replay takes."""
    return dict.fromkeys(trials.groupby(REPLICATE).groups, workers)


def replay_results(
    trials: pd.DataFrame,
    windows: pd.DataFrame,
    arms: Mapping[str, Mapping] = ARMS,
    constraints: Mapping[str, float] | None = None,
) -> dict[str, pd.DataFrame]:
    """Return the tables that the replay, the predictions and the recommendations make of these."""
    rules, constraints = replayed_rules(arms), constraints or {}
    replay = replay_table(trials, windows, rules, trials_at_once(trials), seed=2023)
    return {
        "replay": replay,
        "replay_summary": replay_summary(replay),
        "signals": trial_signals(trials, windows, rules, LEVELS),
        "replay_check": replay_check_table(trials, windows, arms, searches_of(trials), seed=2023),
        "prediction": prediction_table(trials, windows),
        "prediction_saving": prediction_saving_table(trials, windows),
        "recommendations": recommendation_table(trials, windows, rules, constraints, LEVELS),
        "pareto": pareto_table(configuration_table(trials, constraints, LEVELS), LEVELS),
    }


def report_tables(
    trials: pd.DataFrame,
    windows: pd.DataFrame,
    arms: Mapping[str, Mapping] = ARMS,
    constraints: Mapping[str, float] | None = None,
) -> dict[str, pd.DataFrame]:
    """Return all tables that the report is made of, by name."""
    return replay_results(trials, windows, arms, constraints) | {
        "trials": trials,
        "windows": windows,
        "budget": budget(trials),
        "anytime": anytime_table(trials),
        "effects": effect_table(trials, LEVELS),
        "noise": noise_table(trials),
        "cost_model": cost_model(trials),
        "environment": environment(),
    }


def environment() -> pd.DataFrame:
    """Return the environment of one host."""
    return pd.DataFrame(
        [
            {
                "host": "node1",
                "cpu_model": "A processor & co",
                "cores": 8,
                "memory_gb": 31.2,
                "python": "3.11.9",
                "scikit-learn": "1.9.1",
                "git_commit": "0123abcd",
                "dirty": True,
                "studies": 40,
                "busy_studies": 1,
            }
        ]
    )
