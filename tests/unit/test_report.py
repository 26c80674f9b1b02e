import base64
import re
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from generated_tables import (
    ARMS,
    PAIRS,
    budget,
    config,
    environment,
    replay_results,
    trials_and_windows,
)

from sysstop.analysis.effects import cost_model, effect_table
from sysstop.analysis.noise import noise_table
from sysstop.report.effects import answer_rq1, answer_rq2, borders_of_grid
from sysstop.report.page import FIGURE_KINDS, render_report, report_figures
from sysstop.report.wording import out_of

ROOT = Path(__file__).parents[2]
CAPTIONS = [ROOT / "report" / f"{kind}.rst" for kind in FIGURE_KINDS]
TEMPLATE = ROOT / "report" / "report.html.jinja"
BASELINE_ALONE = {"none": ARMS["none"]}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).replace("\u00a0", " ").split())


def tables_of(trials, windows, study):
    return replay_results(trials, windows, study["arms"], study["constraints"]) | {
        "trials": trials,
        "budget": budget(trials),
        "effects": effect_table(trials),
        "noise": noise_table(trials),
        "cost_model": cost_model(trials),
        "environment": environment(),
    }


def page_of(trials, windows, study, folder, datasets=(), summaries=(), **about):
    svgs = []
    for name in ["rq2_budget.svg", *(f"rq1_response/{dataset}.svg" for dataset in datasets)]:
        svg = folder / "figures" / name
        svg.parent.mkdir(parents=True, exist_ok=True)
        svg.write_bytes(SVG)
        svgs.append(svg)
    provenance = [
        {"dataset": dataset, "source": "sklearn", "sha256": None, "licence": "free"} | about
        for dataset in study["study"]["datasets"]
    ]
    figures = report_figures(svgs, CAPTIONS)
    tables = tables_of(trials, windows, study)
    return render_report(tables, figures, study, dict(summaries), provenance, TEMPLATE)


@pytest.fixture(scope="module")
def simulated():
    # Of the many effects that are none, the adjusted level lets one pass now and then; not here.
    return trials_and_windows(repetitions=2, seed=5)


@pytest.fixture(scope="module")
def trials(simulated):
    return simulated[0]


@pytest.fixture(scope="module")
def html(simulated, tmp_path_factory):
    return page_of(*simulated, config(), tmp_path_factory.mktemp("report"), ["digits"])


def plain(text):
    return text.replace("\u00a0", " ")


def test_the_report_needs_nothing_but_itself(html):
    page = Page(html)
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe")]
    for _, attributes in page.tags:
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    # The charting library names addresses, of XML for example. In a browser it asks for none, which
    # a test of its own shows.
    without_scripts = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    for address in ("://", "@import", "url("):
        assert address not in without_scripts


def test_figures_are_inlined_with_a_text_for_those_who_cannot_see_them(html):
    images = [attributes for tag, attributes in Page(html).tags if tag == "img"]
    assert len(images) == 2
    for image in images:
        assert base64.b64decode(image["src"].partition("base64,")[2]) == SVG
        assert image["alt"]


def test_figures_stand_in_order_with_their_captions_and_their_sources(html):
    text = Page(html).text
    assert text.index("Figure 1 (RQ1)") < text.index("Figure 2 (RQ2)")
    caption = " ".join((ROOT / "report" / "budget.rst").read_text().split())
    assert caption in text
    assert "results/tables/budget.parquet by workflow/scripts/figure_budget.py" in text


def test_every_kind_of_figure_has_a_script_and_a_caption_in_plain_text():
    for kind in FIGURE_KINDS:
        assert (ROOT / "workflow" / "scripts" / f"figure_{kind}.py").exists()
        assert not re.search(r"[`{}|]|\*|::", (ROOT / "report" / f"{kind}.rst").read_text())


def test_names_of_the_user_stay_text(tmp_path):
    name = "<script>alert(1)</script>"
    pairs = [(name, "logistic_regression")]
    study = config(pairs, repetitions=1) | {"constraints": {}}
    study["datasets"][name]["licence"] = name
    # What the split says of classes, and the provenance of features, files and licences.
    notes = {"train_and_test": f"classes of a single row: {name}", "folds": name}
    summary = {"rows": 9, "classes": 3, "stratification": notes}
    about = {"columns": [name], "file": name, "address": name, "licence": name}
    simulated = trials_and_windows(pairs, repetitions=1)
    html = page_of(*simulated, study, tmp_path, [], {name: summary}, **about)
    assert "<script>alert" not in html
    assert f'<td class="short">{escape(name)}</td>' in html
    assert name in unescape(html)


def test_the_answers_stand_before_the_figures(html):
    text = Page(html).text
    assert text.index("RQ1:") < text.index("RQ2:") < text.index("Figure 1")


def test_wide_tables_and_figures_scroll_in_a_box_of_their_own(html):
    boxes = [a for tag, a in Page(html).tags if tag == "div" and a.get("class") == "wide"]
    shown = [tag for tag, _ in Page(html).tags if tag in ("table", "img")]
    assert len(boxes) == len(shown)
    assert all(box["aria-label"] and box["tabindex"] == "0" for box in boxes)


def test_rq1_names_the_share_and_direction_of_an_effect_and_says_null_effects(trials):
    effects = effect_table(trials)
    answer = answer_rq1(effects, cost_model(trials))
    paragraph, points = plain(answer.paragraph), dict(answer.points)
    assert "Batch size moves step time, time per sample, training time" in paragraph
    assert "No effect of learning rate or alpha on any system metric was found" in paragraph
    assert "from batch size 2 to batch size 512" in paragraph
    assert "step time rises" in points["Batch size"]
    assert "time per sample falls" in points["Batch size"]
    assert points["Alpha"].startswith("No effect was found on any system metric")


def test_rq1_takes_its_numbers_from_the_tables(trials):
    effects, model = effect_table(trials), cost_model(trials)
    of_step = (effects["metric"] == "step_time_ms") & (effects["hyperparameter"] == "batch_size")
    effects.loc[of_step, "effect_size"] = 0.73
    effects.loc[of_step, ["median_at_lowest", "median_at_highest"]] = [2.0, 26.0]
    model["fixed_ms"] = 7.7
    answer = answer_rq1(effects, model)
    assert "73 % of step time" in plain(dict(answer.points)["Batch size"])
    assert "step time rises 13-fold" in dict(answer.points)["Batch size"]
    assert "a fixed 7.7 ms" in answer.paragraph


def test_rq1_bounds_the_effects_that_it_did_not_find(trials):
    effects, model = effect_table(trials), cost_model(trials)
    absent = effects["hyperparameter"] != "batch_size"
    effects.loc[absent, "p_adjusted"] = 0.5
    effects.loc[absent, "effect_high"] = 0.004
    paragraph = plain(answer_rq1(effects, model).paragraph)
    no_effect = "No effect of learning rate or alpha on any system metric was found; "
    bound = "at most 0.4 % of a metric's variance is compatible with the readings"
    assert f"{no_effect}{bound}." in paragraph
    effects.loc[absent & (effects["metric"] == "memory_mb"), "effect_high"] = 0.42
    paragraph = plain(answer_rq1(effects, model).paragraph)
    assert f"{no_effect}{bound}, except for memory, where up to 42 % is." in paragraph
    effects.loc[absent, "effect_high"] = 0.42
    answer = answer_rq1(effects, model)
    assert "so they do not rule one out" in answer.paragraph
    assert "so they do not rule one out" in dict(answer.points)["Alpha"]


def test_rq1_tells_how_to_choose_a_batch_size_where_the_line_fits(trials):
    effects, model = effect_table(trials), cost_model(trials)
    model["half_batch_size"] = 300.0
    paragraph = plain(answer_rq1(effects, model).paragraph)
    assert "half of a step is fixed cost at a batch size of about 300. Well below it" in paragraph
    assert "Elsewhere" not in paragraph
    model.loc[0, ["half_batch_size", "r_squared"]] = [2000, 0.2]
    model.loc[1, ["half_batch_size", "r_squared"]] = [1000, 0.71]
    model.loc[2:, "r_squared"] = 0.94
    paragraph = plain(answer_rq1(effects, model).paragraph)
    assert "In 3 of 4 pairs a straight line of the batch size explains 71 % to 94 %" in paragraph
    assert "about 300 to 1,000 (the largest run was 512)" in paragraph
    assert "Elsewhere the line fits too poorly" in paragraph
    model["r_squared"] = 0.2
    assert "Well below" not in answer_rq1(effects, model).paragraph


@pytest.mark.parametrize(
    ("count", "total", "text"),
    [
        (0, 1, "no study"),
        (1, 1, "the only study"),
        (0, 2, "none of 2 studies"),
        (1, 2, "1 of 2 studies"),
        (2, 2, "both studies"),
        (4, 4, "all 4 studies"),
    ],
)
def test_shares_read_as_a_person_would_say_them(count, total, text):
    assert out_of(count, total, "study", "studies") == text


def test_rq1_says_so_where_too_few_trials_completed():
    trials, _ = trials_and_windows(PAIRS[:2], repetitions=1, all_diverge=PAIRS[:1])
    answer = answer_rq1(effect_table(trials), cost_model(trials))
    assert "Too few trials completed to say anything about digits with logistic" in answer.paragraph
    assert "one pair only" in answer.paragraph
    trials, _ = trials_and_windows(PAIRS[:1], repetitions=1, all_diverge=PAIRS[:1])
    answer = answer_rq1(effect_table(trials), cost_model(trials))
    assert answer.paragraph.startswith("This run cannot answer the question")


def test_rq2_gives_each_arm_its_savings_regret_and_lost_winners(trials):
    table = budget(trials)
    memory = table["arm"] == "memory"
    table.loc[memory, "saved_fraction"] = 0.25
    table.loc[memory, "winner_stopped"] = False
    table.loc[memory & (table["task"] == "classification"), "regret"] = 0.0125
    point = plain(dict(answer_rq2(table, noise_table(trials), config()).points)["memory"])
    assert "saved 25 % of the training time" in point
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
    table["above_noise_floor"] = stopping & (table["arm"] == "memory")
    table.loc[stopping, "saved_fraction"] = 0.25
    text = plain(answer_rq2(table, noise_table(trials), config()).paragraph)
    assert "the saving of time is more than that in 8 of 32 studies" in text


def test_rq2_tells_the_noise_and_not_the_savings_of_an_arm_that_repeats_the_baseline():
    arms = BASELINE_ALONE | {"none_again": {"rule": "none"}, "memory": ARMS["memory"]}
    trials, _ = trials_and_windows(PAIRS[:1], arms, repetitions=1)
    answer = answer_rq2(budget(trials), noise_table(trials), config(PAIRS[:1], arms, 1))
    assert [name for name, _ in answer.points] == ["memory"]
    assert "95 % of the repeated readings" in plain(answer.paragraph)


def test_rq2_says_that_the_noise_is_unknown_where_no_trial_ran_twice(trials):
    answer = answer_rq2(budget(trials), noise_table(trials).iloc[:0], config())
    assert "the noise of the measurement is not known" in answer.paragraph


def test_unstable_readings_and_busy_machines_are_limitations(simulated, tmp_path):
    trials, windows = simulated
    marked = trials.assign(step_time_unstable="spread,extreme")
    text = Page(page_of(marked, windows, config(), tmp_path)).text
    assert "step time of all 320 trials of the baseline is unstable" in text
    assert "off the mean by more than 50 %" in text
    assert "In 1 of 40 studies the machine was busy" in text


def test_rq2_with_the_baseline_alone_says_that_no_arm_was_run():
    trials, _ = trials_and_windows(PAIRS[:1], BASELINE_ALONE, repetitions=1)
    answer = answer_rq2(budget(trials), noise_table(trials), config(PAIRS[:1], BASELINE_ALONE, 1))
    assert answer.paragraph.startswith("No stopping arm was run")
    assert answer.points == []


def test_rq2_leaves_out_pairs_whose_baseline_never_completed():
    trials, _ = trials_and_windows(PAIRS[:2], repetitions=1, all_diverge=PAIRS[:1])
    answer = answer_rq2(budget(trials), noise_table(trials), config())
    assert "Studies of digits with logistic regression are left out" in answer.paragraph


@pytest.mark.parametrize("diverge", [(), PAIRS[:1]], ids=["usual", "all diverge"])
def test_the_smallest_run_has_a_report(diverge, tmp_path):
    smallest = trials_and_windows(PAIRS[:1], BASELINE_ALONE, repetitions=1, all_diverge=diverge)
    text = Page(page_of(*smallest, config(PAIRS[:1], BASELINE_ALONE, 1), tmp_path)).text
    assert "1 data set, 1 algorithm, 1 arm, 1 repetition and 40 trials" in text
    assert "Every study was run once" in text
    assert "nan" not in text.lower().split()


def test_a_best_trial_on_the_border_of_the_grid_is_named(trials):
    table = budget(trials)
    borders = dict(borders_of_grid(trials, table))
    assert "largest learning rate (0.1)" in borders["digits with logistic regression"]
    inside = (
        (trials["batch_size"] == 32) & (trials["learning_rate"] == 0.01) & (trials["alpha"] == 0.01)
    )
    table["best_trial_id"] = trials.loc[inside, "trial_id"].iloc[0]
    assert "digits with logistic regression" not in dict(borders_of_grid(trials, table))


def test_a_hyperparameter_of_two_values_is_all_border_and_said_to_be_so_once(html):
    text = Page(html).text
    assert "Of alpha the grid has two values, so every best trial lies on its border." in text
    assert "smallest alpha" not in text and "largest alpha" not in text


def test_the_environment_is_shown_whatever_its_columns(html):
    text = Page(html).text
    assert "cpu model A processor & co" in text
    assert "dirty yes" in text
