from pathlib import Path

import pytest
from generated_tables import ARMS, GRID, PAIRS, budget, trials_and_windows

from sysstop.effects import cost_model, effect_table
from sysstop.figures.budget import budget_figure, tradeoff_figure
from sysstop.figures.cost import cost_figure
from sysstop.figures.courses import courses_figure
from sysstop.figures.effect_map import effect_map
from sysstop.figures.response import response_figure
from sysstop.figures.style import arm_colours, save
from sysstop.metrics import METRIC_BY_NAME, metric_names

ONE_TRIAL = {"batch_size": [16], "learning_rate": [0.01], "alpha": [0.0]}
BASELINE_ALONE = {"none": ARMS["none"]}


@pytest.fixture(scope="module")
def study():
    return trials_and_windows(repetitions=1)


def all_figures(trials, windows):
    dataset = trials["dataset"].iloc[0]
    of_dataset = trials[trials["dataset"] == dataset]
    return {
        "response": response_figure(of_dataset),
        "effects": effect_map(effect_table(trials)),
        "cost": cost_figure(trials, cost_model(trials)),
        "budget": budget_figure(budget(trials)),
        "tradeoff": tradeoff_figure(budget(trials)),
        "courses": courses_figure(windows[windows["dataset"] == dataset], of_dataset),
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


def test_the_response_figure_has_a_row_with_its_unit_for_every_system_metric(study):
    trials, _ = study
    figure = response_figure(trials[trials["dataset"] == "digits"])
    labels = [axes.get_ylabel().replace("\n", " ") for axes in figure.axes]
    for name in metric_names("system"):
        assert METRIC_BY_NAME[name].axis_label in labels


def test_the_response_figure_shows_the_median_of_the_completed_baseline_trials(study):
    trials, _ = study
    of_dataset = trials[trials["dataset"] == "digits"]
    axes = response_figure(of_dataset).axes[0]
    line = axes.lines[0]
    usable = of_dataset[
        (of_dataset["arm"] == "none")
        & (of_dataset["status"] == "completed")
        & (of_dataset["algorithm"] == "logistic_regression")
    ]
    expected = usable.groupby("batch_size")["step_time_ms"].median()
    assert line.get_ydata() == pytest.approx(expected.to_numpy())


def test_axes_are_logarithmic_only_where_values_span_decades(study):
    trials, _ = study
    figure = response_figure(trials[trials["dataset"] == "digits"])
    scale = {axes.get_ylabel(): axes.get_yscale() for axes in figure.axes if axes.get_ylabel()}
    assert scale["Step time\n(ms)"] == "log"
    assert scale["CPU\n(%)"] == "linear"


def test_effects_that_cannot_be_told_from_noise_stand_in_brackets(study):
    trials, _ = study
    effects = effect_table(trials)
    effects.loc[:, ["effect_size", "p_adjusted"]] = [0.42, 0.001]
    effects.loc[effects["hyperparameter"] == "alpha", "p_adjusted"] = 0.5
    drawn = texts(effect_map(effects))
    assert drawn.count("42") == 2 * drawn.count("(42)") > 0


def test_the_cost_figure_draws_the_model_through_its_own_numbers(study):
    trials, _ = study
    model = cost_model(trials)
    axes = cost_figure(trials, model).axes[0]
    row = model[(model["dataset"] == "digits") & (model["algorithm"] == "logistic_regression")]
    curve = next(line for line in axes.lines if len(line.get_xdata()) == 100)
    batch, step_ms = curve.get_xdata()[0], curve.get_ydata()[0]
    fixed, per_sample = row["fixed_ms"].item(), row["per_sample_us"].item()
    assert step_ms == pytest.approx(fixed + per_sample * batch / 1000)


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
        saved = 100 * first.loc[arm, "saved_fraction"]
        assert {round(saved, 6), round(100 - saved, 6)} <= widths


def test_an_arm_that_lost_every_candidate_is_marked(study):
    trials, _ = study
    table = budget(trials)
    table.loc[table["arm"] == "memory", ["best_score", "regret"]] = float("nan")
    for figure in (budget_figure(table), tradeoff_figure(table)):
        crosses = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "x"]
        assert len(crosses) == len(PAIRS)


def test_a_run_of_the_baseline_alone_says_that_there_is_nothing_to_compare():
    trials, windows = trials_and_windows(PAIRS[:1], BASELINE_ALONE, repetitions=1)
    for figure in (tradeoff_figure(budget(trials)), courses_figure(windows, trials)):
        assert any("Only the baseline arm was run" in text for text in texts(figure))


def test_an_arm_has_the_same_colour_whatever_the_order_of_the_arms():
    assert arm_colours(["plateau", "memory"]) == arm_colours(["memory", "none", "plateau"])
