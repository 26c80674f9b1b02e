import importlib
from itertools import combinations
from pathlib import Path

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from generated_tables import (
    ARMS,
    GRID,
    PAIRS,
    budget,
    replay_results,
    report_tables,
    trials_and_windows,
)
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from sysstop.analysis.anytime import anytime_summary, anytime_table
from sysstop.analysis.effects import effect_table
from sysstop.analysis.noise import repeated_readings
from sysstop.analysis.recommendations import configuration_table, pareto_table
from sysstop.analysis.replay import replayed_rules
from sysstop.report.baseline import cheap_batch_sizes
from sysstop.report.figures.anytime import draw as anytime_figure
from sysstop.report.figures.budget import draw as budget_figure
from sysstop.report.figures.cost import draw as cost_figure
from sysstop.report.figures.courses import draw as curves_figure
from sysstop.report.figures.effects import draw as effect_map
from sysstop.report.figures.pareto import COLUMNS, best_configuration
from sysstop.report.figures.pareto import draw as pareto_figure
from sysstop.report.figures.prediction import LEAST_ERROR_PERCENT
from sysstop.report.figures.prediction import draw as prediction_figure
from sysstop.report.figures.registry import FIGURES
from sysstop.report.figures.replay import draw as replay_figure
from sysstop.report.figures.replay import mean_points
from sysstop.report.figures.response import draw as response_figure
from sysstop.report.figures.steady import draw as steady_figure
from sysstop.report.figures.style import arm_colours, label_points, new_figure, save, spread
from sysstop.report.figures.tradeoff import draw as tradeoff_figure
from sysstop.study.metrics import METRIC_BY_NAME, predicted_metrics, steady_system_metrics
from tests.shipped import ENTRIES, LEVELS

ONE_TRIAL = {"batch_size": [16], "learning_rate": [0.01], "alpha": [0.0]}
BASELINE_ALONE = {"none": ARMS["none"]}
RULE_STYLES = {(rule.name, rule.metric): rule.style for rule in replayed_rules(ARMS)}
CONSTRAINTS = {"steady_step_time_ms": 4.0, "memory_peak_mb": 512.0}


@pytest.fixture(scope="module")
def study():
    return trials_and_windows(repetitions=1)


@pytest.fixture(scope="module")
def two_repetitions():
    return replay_results(*trials_and_windows(PAIRS[:2]), constraints=CONSTRAINTS)


def all_figures(trials, windows):
    tables = report_tables(trials, windows, constraints=CONSTRAINTS)
    of_dataset = {
        name: table[table["dataset"] == trials["dataset"].iloc[0]]
        for name, table in tables.items()
        if "dataset" in table
    }
    config = {
        "arms": ARMS,
        "constraints": CONSTRAINTS,
        "algorithms": ENTRIES,
        "hyperparameters": LEVELS,
    }
    return {
        figure.name: importlib.import_module(module).draw(
            **{
                name: (of_dataset if figure.per_dataset else tables)[name] for name in figure.tables
            },
            **{section: config[section] for section in figure.config},
        )
        for module, figure in FIGURES.items()
    }


def texts(figure):
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


@pytest.mark.parametrize(
    "study_of",
    [
        {"repetitions": 1},
        {"pairs": PAIRS[:1], "arms": BASELINE_ALONE, "repetitions": 1, "grid": ONE_TRIAL},
        {"pairs": PAIRS[1:3], "repetitions": 1, "all_diverge": PAIRS[2:3]},
        {"pairs": PAIRS[:1], "repetitions": 1, "all_diverge": PAIRS[:1]},
        {"pairs": PAIRS[:2], "repetitions": 1, "grid": GRID | {"alpha": [0.0]}},
    ],
    ids=["usual", "a single trial", "one pair diverges", "all diverge", "no regularisation"],
)
def test_every_figure_can_be_drawn_and_written(study_of, tmp_path):
    for name, figure in all_figures(*trials_and_windows(**study_of)).items():
        save(figure, tmp_path / f"{name}.svg", tmp_path / f"{name}.pdf")
        assert (tmp_path / f"{name}.svg").read_text().rstrip().endswith("</svg>")
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_the_same_tables_give_the_same_bytes(tmp_path):
    study = trials_and_windows(PAIRS[:1], repetitions=1)

    def written(folder: Path) -> dict[str, bytes]:
        folder.mkdir()
        for name, figure in all_figures(*study).items():
            save(figure, folder / f"{name}.svg", folder / f"{name}.pdf")
        return {file.name: file.read_bytes() for file in folder.iterdir()}

    assert written(tmp_path / "first") == written(tmp_path / "second")


@pytest.fixture(scope="module")
def analysed(study):
    return effect_table(study[0], LEVELS)


@pytest.fixture
def found(analysed):
    """Effects of batch size on every metric, and of the others on none."""
    effects = analysed.copy()
    effects["p_adjusted"] = np.where(effects["hyperparameter"] == "batch_size", 0.001, 0.5)
    return effects.assign(effect_size=0.9, median_at_lowest=1.0, median_at_highest=2.0)


def response_of(trials, effects, levels=LEVELS):
    of_dataset = effects["dataset"] == "digits"
    return response_figure(
        trials[trials["dataset"] == "digits"], effects[of_dataset], ENTRIES, levels
    )


def test_the_response_figure_draws_what_was_found_of_times_the_steady_and_names_the_rest(
    study, found
):
    trials, _ = study
    effects = found
    panels = [axes for axes in response_of(trials, effects).axes if axes.get_visible()]
    expected = [METRIC_BY_NAME[name].label for name in steady_system_metrics()]
    assert [axes.get_title(loc="left") for axes in panels] == expected
    assert {axes.get_xlabel() for axes in panels} == {"Batch size (samples)"}
    assert any(
        "no effect was found: learning rate and alpha" in text
        for text in texts(response_of(trials, effects))
    )
    nothing = response_of(trials, effects.assign(p_adjusted=0.5))
    assert texts(nothing)[-1].startswith("No hyperparameter was found to change")


def test_the_response_figure_shows_the_median_of_the_completed_baseline_trials(study, found):
    trials, _ = study
    line = response_of(trials, found).axes[0].lines[0]
    usable = trials[
        (trials["dataset"] == "digits")
        & (trials["arm"] == "none")
        & (trials["status"] == "completed")
        & (trials["algorithm"] == "logistic_regression")
    ]
    expected = usable.groupby("batch_size")["steady_step_time_ms"].median()
    assert line.get_ydata() == pytest.approx(expected.to_numpy())


def test_values_that_are_no_numbers_stand_side_by_side_in_the_order_of_the_grid(study, found):
    trials, _ = study
    logistic = trials["algorithm"] == "logistic_regression"
    solver = np.where(trials["alpha"] == 0.01, "sgd", "adam")
    trials = trials.assign(solver=np.where(logistic, solver, None))
    effects = found.assign(p_adjusted=0.001)
    effects["hyperparameter"] = effects["hyperparameter"].replace("alpha", "solver")
    figure = response_of(trials, effects, LEVELS | {"solver": ["sgd", "adam"]})
    *_, last = (axes for axes in figure.axes if axes.get_xlabel() == "Solver")
    assert [label.get_text() for label in last.get_xticklabels()] == ["sgd", "adam"]
    assert len(last.lines) == 1  # the other algorithm has no solver


def test_axes_are_logarithmic_only_where_values_span_decades_and_say_so(study, found):
    trials, _ = study
    figure = response_of(trials, found)
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    step_time, cpu = panels["Steady step time"], panels["CPU"]
    assert (step_time.get_yscale(), step_time.get_ylabel()) == ("log", "ms\nlog scale")
    assert (cpu.get_yscale(), cpu.get_ylabel()) == ("linear", "%")


def test_effects_indistinguishable_from_noise_are_in_brackets(analysed):
    effects = analysed.copy()
    effects.loc[:, ["effect_size", "p_adjusted"]] = [0.42, 0.001]
    effects.loc[effects["hyperparameter"] == "alpha", "p_adjusted"] = 0.5
    drawn = texts(effect_map(effects))
    assert drawn.count("42") == 2 * drawn.count("(42)") > 0


def test_the_cost_figure_draws_medians_per_step_above_those_per_sample(study):
    trials, _ = study
    panels = cost_figure(trials, ENTRIES).axes
    completed = trials[(trials["arm"] == "none") & (trials["status"] == "completed")]
    for axes, name in zip(panels, ("steady_step_time_ms", "steady_sample_time_us"), strict=True):
        assert axes.get_yscale() == "log"
        for _, of_pair in completed.groupby(["dataset", "algorithm"]):
            medians = of_pair.groupby("batch_size")[name].median()
            assert has_line(axes.lines, medians.index, medians)
        assert {text.get_text() for text in axes.texts} == set(completed["dataset"])


def test_the_cost_figure_rings_the_batch_size_from_which_on_samples_are_cheap(study):
    trials, _ = study
    _, axes = cost_figure(trials, ENTRIES).axes
    rings = sorted(line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o")
    assert rings == sorted(cheap_batch_sizes(trials))


@pytest.mark.parametrize(
    "places", [[0.5], [0.1, 0.9], [0.5, 0.5, 0.5], [0.0, 0.02, 1.0], [0.9, 0.1]]
)
def test_labels_keep_their_order_and_a_gap(places):
    moved = np.array(spread(places, 0.1))
    order = np.argsort(places, kind="stable")
    assert (np.diff(moved[order]) >= 0.1 - 1e-9).all()
    assert moved.min() >= 0 and moved.max() <= 1


def test_the_budget_figure_draws_used_and_saved_time_of_every_arm(study):
    trials, _ = study
    table = budget(trials)
    axes = budget_figure(table).axes[0]
    first = table[(table["dataset"] == "diabetes_progression")]
    first = first[first["algorithm"] == "linear_regression"].set_index("arm")
    arms = [label.get_text() for label in axes.get_yticklabels()]
    assert arms[0] == "none (full budget)"
    widths = {round(bar.get_width(), 6) for bar in axes.patches}
    for arm in arms[1:]:
        saved = 100 * first.loc[arm.replace(" ", "_"), "steady_saved_fraction"]
        assert {round(saved, 6), round(100 - saved, 6)} <= widths


def test_an_arm_that_lost_every_candidate_is_marked(study):
    trials, _ = study
    table = budget(trials)
    table.loc[table["arm"] == "memory", ["best_score", "regret"]] = float("nan")
    assert "no model left" in texts(budget_figure(table))
    for figure in (budget_figure(table), tradeoff_figure(table)):
        crosses = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "x"]
        assert len(crosses) == len(PAIRS)


def test_what_is_not_there_is_not_in_the_legend(study):
    trials, _ = study
    table = budget(trials).assign(winner_stopped=False)
    for figure in (budget_figure(table), tradeoff_figure(table)):
        shown = texts(figure)
        assert "best trial kept" in shown
        assert "best trial stopped" not in shown and "no model left" not in shown


def test_the_noise_of_savings_and_regrets_is_drawn_as_bands_around_nothing(study):
    trials, _ = study
    table = budget(trials)
    stopping = table["arm"] != "none"
    table.loc[stopping, "best_trial_id"] = "another"
    table.loc[stopping, "regret"], table.loc[stopping, "test_regret"] = 0.003, 0.001
    table["steady_noise_floor"] = 0.04
    axes = tradeoff_figure(table).axes[0]
    assert axes.get_title(loc="left") == "Classification"
    bands = {(patch.get_width(), patch.get_height()) for patch in axes.patches}
    assert any(width == pytest.approx(8) for width, _ in bands)
    assert any(height == pytest.approx(0.4) for _, height in bands)


def test_a_regret_too_small_to_matter_does_not_fill_the_axis(study):
    trials, _ = study
    table = budget(trials).assign(regret=0.0005)
    assert tradeoff_figure(table).axes[0].get_ylim()[1] >= 1.0
    assert budget_figure(table).axes[1].get_xlim()[1] >= 1.0


def test_a_run_of_the_baseline_alone_says_that_there_is_nothing_to_compare():
    trials, windows = trials_and_windows(PAIRS[:1], BASELINE_ALONE, repetitions=1)
    for figure in (tradeoff_figure(budget(trials)), curves_figure(windows, trials)):
        assert any("Only the baseline arm was run" in text for text in texts(figure))


def test_the_anytime_figure_draws_every_arm_and_random_search_in_a_panel_per_task(study):
    trials, _ = study
    table = anytime_table(trials)
    figure = anytime_figure(table, ARMS)
    colours = arm_colours(ARMS)
    for axes, task in zip(figure.axes, ("classification", "regression"), strict=True):
        summary = anytime_summary(table[table["task"] == task])
        assert axes.get_title(loc="left") == task.capitalize()
        for arm, curve in summary.groupby("arm"):
            lines = lines_of(axes, colours[arm])
            assert has_line(lines, 100 * curve["budget_fraction"], curve["normalised_regret"])
    shown = texts(figure)
    assert {"random search", "limits on system metrics", "rules on model quality"} <= set(shown)
    assert "both together" not in shown and "95 % interval" in shown


def test_an_arm_has_the_same_colour_whatever_the_order_of_the_arms():
    assert arm_colours(["plateau", "memory"]) == arm_colours(["memory", "none", "plateau"])


def lines_of(axes, colour):
    return [line for line in axes.lines if matplotlib.colors.same_color(line.get_color(), colour)]


def has_line(lines, x, y):
    return any(
        len(line.get_xdata()) == len(x)
        and np.allclose(line.get_xdata(), x)
        and np.allclose(line.get_ydata(), y)
        for line in lines
    )


def test_every_replayed_rule_is_drawn_apart_from_the_others(two_repetitions):
    replayed = two_repetitions["replay"][["rule", "metric"]].drop_duplicates()
    assert set(replayed.itertuples(index=False, name=None)) == set(RULE_STYLES)
    looks = [(style.colour, style.dashed) for style in RULE_STYLES.values()]
    assert len(set(looks)) == len({style.label for style in RULE_STYLES.values()}) == len(looks)


def test_the_replay_figure_draws_each_rule_as_means_in_points_of_accuracy(two_repetitions):
    replay = two_repetitions["replay"]
    panels = replay_figure(replay, two_repetitions["replay_summary"], ENTRIES).axes[1:4]
    of_pair = replay[replay["algorithm"] == "logistic_regression"]
    for (rule, metric), style in RULE_STYLES.items():
        of_rule = of_pair[(of_pair["rule"] == rule) & (of_pair["metric"] == metric)]
        means = of_rule.groupby("limit")[["saved_time_fraction", "regret"]].mean()
        left = means[~of_rule["regret"].isna().groupby(of_rule["limit"]).any()]
        assert any(
            has_line(
                lines_of(axes, style.colour),
                100 * left["saved_time_fraction"],
                100 * left["regret"],
            )
            for axes in panels
        ), style.label


def test_a_limit_that_leaves_no_model_in_one_repetition_is_not_on_the_curve(two_repetitions):
    replay = two_repetitions["replay"].copy()
    first = replay.iloc[-1]
    replay.loc[replay.index[-1], "regret"] = np.nan
    points = mean_points(replay)
    same = (points[["algorithm", "rule", "metric", "limit"]] == first[
        ["algorithm", "rule", "metric", "limit"]
    ]).all(axis=1)  # fmt: skip
    assert points.loc[same, "regret"].isna().all()
    assert same.sum() == 1


def test_the_replay_figure_ranks_the_rules_and_marks_their_points(two_repetitions):
    summary = two_repetitions["replay_summary"]
    ranking, *panels = replay_figure(two_repetitions["replay"], summary, ENTRIES).axes[:4]
    of_pair = summary[summary["algorithm"] == "logistic_regression"].set_index(["rule", "metric"])
    rules = {style.label: names for names, style in RULE_STYLES.items()}
    ranked = [rules[label.get_text()] for label in ranking.get_yticklabels()]
    saved = of_pair["free_saved_time_fraction"].fillna(0.0)
    assert list(saved[ranked]) == sorted(saved, reverse=True)
    assert saved.max() > 0
    for names, mark in of_pair.iterrows():
        for point, marker in (("free", "o"), ("knee", "D")):
            at = 100 * mark[f"{point}_saved_time_fraction"]
            if np.isnan(at):
                continue
            marked = [
                [
                    line
                    for line in lines_of(axes, RULE_STYLES[names].colour)
                    if line.get_marker() == marker and np.isclose(line.get_xdata()[0], at)
                ]
                for axes in (ranking, *panels)
            ]
            assert marked[0]
            assert any(
                np.isclose(line.get_ydata()[0], 100 * mark[f"{point}_regret"])
                for lines in marked[1:]
                for line in lines
            )


def test_a_dot_is_open_if_random_stopping_loses_no_more(two_repetitions):
    summary = two_repetitions["replay_summary"]

    def filled(random_regret):
        replay = two_repetitions["replay"].assign(random_regret=random_regret)
        ranking = replay_figure(replay, summary, ENTRIES).axes[0]
        dots = [line for line in ranking.lines if line.get_marker() == "o"]
        return [line.get_markerfacecolor() != "white" for line in dots]

    assert all(filled(0.5))
    assert not any(filled(-0.5))


def test_an_algorithm_without_a_completed_trial_keeps_its_row():
    tables = replay_results(*trials_and_windows(PAIRS[:2], all_diverge=PAIRS[:1], repetitions=1))
    drawn = texts(replay_figure(tables["replay"], tables["replay_summary"], ENTRIES))
    assert {"Logistic regression", "Support vector machine"} <= set(drawn)
    assert drawn.count("no trial completed") == 1


@pytest.mark.parametrize("error, row", [("median_error", 0), ("error_90", 1)])
def test_the_prediction_figure_draws_every_pair_and_their_median(two_repetitions, error, row):
    prediction = two_repetitions["prediction"]
    panels = prediction_figure(prediction, ENTRIES).axes
    shown = [name for name in predicted_metrics() if name in steady_system_metrics()]
    for at, metric in enumerate(shown):
        axes = panels[len(shown) * row + at]
        errors = prediction[prediction["metric"] == metric].pivot(
            index="windows_seen", columns="algorithm", values=error
        )
        percent = (100 * errors).clip(lower=LEAST_ERROR_PERCENT)
        assert len(axes.lines) == 3
        for algorithm in errors:
            assert has_line(axes.lines, errors.index, percent[algorithm])
        assert has_line(lines_of(axes, "black"), errors.index, percent.median(axis=1))
        if row == 0:
            assert axes.get_title() == METRIC_BY_NAME[metric].label


def test_the_prediction_of_a_single_pair_has_no_median_over_it(two_repetitions):
    prediction = two_repetitions["prediction"]
    figure = prediction_figure(
        prediction[prediction["algorithm"] == "logistic_regression"], ENTRIES
    )
    assert not any(lines_of(axes, "black") for axes in figure.axes)
    assert "median of all" not in texts(figure)


def test_no_completed_trial_is_said_instead_of_drawn(two_repetitions):
    figures = [
        replay_figure(
            two_repetitions["replay"], two_repetitions["replay_summary"].iloc[:0], ENTRIES
        ),
        prediction_figure(two_repetitions["prediction"].iloc[:0], ENTRIES),
        pareto_figure(two_repetitions["pareto"].iloc[:0], {}, ENTRIES),
    ]
    for figure in figures:
        assert not figure.axes
        assert any(text.startswith("No ") for text in texts(figure))


def pareto_panels(figure, algorithms=2):
    """The panels of each algorithm by metric, gathered from the blocks in which they are drawn."""
    metrics, panels = steady_system_metrics(), iter(figure.axes)
    rows = [{} for _ in range(algorithms)]
    for at in range(0, len(metrics), COLUMNS):
        for row in rows:
            row |= dict(zip(metrics[at : at + COLUMNS], panels, strict=False))
    return rows


def test_the_pareto_figure_draws_every_configuration_and_the_front(two_repetitions):
    pareto = two_repetitions["pareto"]
    panels = pareto_panels(pareto_figure(pareto, {}, ENTRIES))[0]
    for metric in steady_system_metrics():
        of_panel = pareto[
            (pareto["metric"] == metric) & (pareto["algorithm"].str.startswith("log"))
        ]
        points = [line for line in panels[metric].lines if line.get_marker() == "o"]
        drawn = {point for line in points for point in zip(*line.get_data(), strict=True)}
        assert drawn == set(zip(of_panel["value"], of_panel["score"], strict=True))
        front = of_panel[of_panel["on_front"]].sort_values("value")
        steps = [line for line in panels[metric].lines if line.get_drawstyle() == "steps-post"]
        assert has_line(steps, front["value"], front["score"])


def test_the_star_is_the_recommended_configuration(two_repetitions):
    pareto, recommended = (two_repetitions[name] for name in ("pareto", "recommendations"))
    panels = pareto_panels(pareto_figure(pareto, CONSTRAINTS, ENTRIES))
    assert (recommended["score"] < recommended["unconstrained_score"]).any()
    for row, (_, best) in enumerate(recommended.iterrows()):
        for metric, axes in panels[row].items():
            star = next(line for line in axes.lines if line.get_marker() == "*")
            assert has_line([star], [best[metric]], [best["score"]])


def test_of_equal_scores_the_first_configuration_is_the_best():
    pareto = pd.DataFrame(
        {
            "score": [0.95, 0.8, 0.9, 0.9],
            "within_constraints": [False, True, True, True],
        }
    )
    assert best_configuration(pareto).index.tolist() == [2]
    assert best_configuration(pareto.iloc[:1]).empty


def test_a_limit_is_a_line_or_if_it_lies_beyond_the_panel_named(two_repetitions):
    figure = pareto_figure(two_repetitions["pareto"], CONSTRAINTS, ENTRIES)
    panels = pareto_panels(figure)[0]
    step_time, memory_peak = panels["steady_step_time_ms"], panels["memory_peak_mb"]
    assert has_line(step_time.lines, [4.0, 4.0], [0, 1])
    assert not any(line.get_label() == "limit" for line in memory_peak.lines)
    assert memory_peak.get_title(loc="right") == "limit 512\u00a0MB \N{RIGHTWARDS ARROW}"
    assert memory_peak.get_xlim()[1] < 512
    assert not any(
        "limit" in text for text in texts(pareto_figure(free(two_repetitions), {}, ENTRIES))
    )


def free(tables):
    return tables["pareto"].assign(within_constraints=True)


def test_a_wall_time_is_in_the_pareto_figure_only_if_it_is_limited(two_repetitions):
    figure = pareto_figure(two_repetitions["pareto"], {"train_time_s": 3.0}, ENTRIES)
    labels = {axes.get_xlabel().replace("\n", " ") for axes in figure.axes}
    assert any(label.startswith("Training time (s)") for label in labels)
    assert not any(label.startswith("Step time (ms)") for label in labels)


def test_the_steady_figure_draws_how_far_wall_and_steady_readings_of_a_trial_are_apart(study):
    _, windows = study
    figure = steady_figure(windows)
    (axes,) = figure.axes
    assert len(axes.get_yticks()) == len(PAIRS)
    readings = repeated_readings(windows, ("step_time_ms", "steady_step_time_ms"))
    first = readings[readings["dataset"] == "diabetes_progression"]
    first = first[first["algorithm"] == "linear_regression"]
    for name, height in (("step_time_ms", -0.18), ("steady_step_time_ms", 0.18)):
        ends = first[name].quantile([0.025, 0.975])
        assert has_line(axes.lines, ends, [height, height])
        dots = next(
            line
            for line in axes.lines
            if line.get_marker() == "." and line.get_ydata()[0] == height
        )
        assert len(dots.get_xdata()) == len(ARMS)
        assert set(np.round(dots.get_xdata(), 9)) <= set(np.round(first[name], 9))


def test_errors_far_from_the_others_do_not_flatten_them():
    trials, _ = trials_and_windows(PAIRS[2:3], BASELINE_ALONE, repetitions=1)
    worst = trials.index[trials["status"] == "completed"][0]
    trials.loc[worst, "score"] = -1e6
    axes = pareto_figure(
        pareto_table(configuration_table(trials, {}, LEVELS), LEVELS), {}, ENTRIES
    ).axes[0]
    bottom, top = axes.get_ylim()
    assert top < bottom < 1000
    assert any(line.get_marker() == "v" for line in axes.lines)


def test_the_tradeoff_is_drawn_where_no_arm_lies_in_one_half(study):
    trials, _ = study
    assert texts(tradeoff_figure(budget(trials).assign(steady_saved_fraction=0.01)))


def test_no_label_of_a_point_covers_another_or_a_point():
    figure = new_figure(2.6, width_inches=4.7)
    axes = figure.subplots()
    points = [(x, 0.0, f"arm number {x}", "black") for x in range(8)]
    axes.plot([x for x, *_ in points], [0.0] * len(points), "o", markersize=7)
    label_points(axes, points)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [Text.get_window_extent(label, renderer) for label in axes.texts]
    assert {label.get_text() for label in axes.texts} == {text for _, _, text, _ in points}
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    marks = axes.transData.transform([point[:2] for point in points])
    assert not any(box.contains(*mark) for box in boxes for mark in marks)
    assert all(axes.get_window_extent().fully_contains(*box.min) for box in boxes)


def test_no_labels_need_no_places():
    assert spread([], gap=0.1) == []
