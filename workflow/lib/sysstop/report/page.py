"""Render the report: one HTML page that needs nothing but itself."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from sysstop.analysis.hosts import host_table
from sysstop.report.effects import Answer, answer_rq1, answer_rq2, borders_of_grid
from sysstop.report.explorer import explorer_html
from sysstop.report.hosts import host_digest, host_limits
from sysstop.report.prediction import replay_points, replay_sentences
from sysstop.report.replay import (
    prediction_digest,
    prediction_saving_digest,
    recommendation_digest,
    replay_check_digest,
    replay_digest,
)
from sysstop.report.study import (
    algorithm_table,
    arm_table,
    budget_summary,
    cost_table,
    dataset_table,
    display,
    effect_digest,
    metric_table,
    noise_digest,
    numeric_columns,
)
from sysstop.report.wording import (
    counted,
    in_words,
    limit_label,
    metric_label,
    out_of,
    percent,
    spoken,
)
from sysstop.results.stability import CRITERIA
from sysstop.study.algorithms import ALGORITHMS
from sysstop.study.keys import HYPERPARAMETERS, STUDY
from sysstop.study.studies import BASELINE_ARM


@dataclass(frozen=True)
class FigureKind:
    """A kind of figure: the research question it belongs to, its title and the tables it shows."""

    question: str
    title: str
    tables: tuple[str, ...]


FIGURE_KINDS = {
    "response": FigureKind("RQ1", "System metrics against hyperparameters", ("trials",)),
    "effects": FigureKind("RQ1", "Share of variance explained", ("effects",)),
    "cost": FigureKind("RQ1", "Cost per step and per sample", ("trials", "cost_model")),
    "budget": FigureKind("RQ2", "Budget used, budget saved and regret", ("budget",)),
    "tradeoff": FigureKind("RQ2", "Saving against regret", ("budget",)),
    "courses": FigureKind("RQ2", "Which trials were stopped", ("windows", "trials")),
    "replay": FigureKind("RQ2", "Saving and regret of every rule", ("replay", "replay_summary")),
    "prediction": FigureKind("RQ2", "Error of early predictions", ("prediction",)),
    "pareto": FigureKind("RQ2", "Score against system metrics", ("pareto",)),
}
"""The figures by name, in the order of the report.

The name stands in the names of the script, of the caption's file and of the figure itself.
"""


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the report: its kind, its SVG file, its caption and the data set if it has one."""

    kind: str
    svg: Path
    caption: str
    dataset: str = ""

    @property
    def title(self) -> str:
        """The figure's title, with its data set."""
        title = FIGURE_KINDS[self.kind].title
        return f"{title}: {self.dataset}" if self.dataset else title

    @property
    def source(self) -> str:
        """Which table and which script the figure comes from."""
        tables = in_words(
            [f"results/tables/{table}.parquet" for table in FIGURE_KINDS[self.kind].tables]
        )
        return f"Made from {tables} by workflow/scripts/figure_{self.kind}.py."

    @property
    def data_address(self) -> str:
        """The SVG as a data URI: as an image of its own, its ids cannot clash with another's."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg.read_bytes()).decode()


def report_figures(svgs: Iterable[Path], captions: Iterable[Path]) -> list[ReportFigure]:
    """Return the figures of these files in the order of `FIGURE_KINDS`.

    A figure is named `rq1_<kind>.svg`, or `rq1_<kind>/<data set>.svg` where there is one for each
    data set; its caption is the text of `<kind>.rst`.
    """
    text_of = {file.stem: _one_line(file.read_text()) for file in map(Path, captions)}
    figures = []
    for svg in map(Path, svgs):
        for kind, description in FIGURE_KINDS.items():
            name = f"{description.question.lower()}_{kind}"
            if name == svg.parent.name:
                figures.append(ReportFigure(kind, svg, text_of[kind], dataset=svg.stem))
            elif name == svg.stem and svg.parent.name == "figures":
                figures.append(ReportFigure(kind, svg, text_of[kind]))
    return sorted(figures, key=lambda figure: list(FIGURE_KINDS).index(figure.kind))


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace(" %", "\u00a0%")


@dataclass(frozen=True)
class HtmlTable:
    """A table of the report as text: heads, which columns hold numbers, and rows."""

    title: str
    note: str
    heads: list[str]
    numeric: list[bool]
    rows: list[list[str]]


def html_table(table: pd.DataFrame, title: str, note: str = "") -> HtmlTable:
    """Return a table as text with its title and a note on how to read it."""
    texts = display(table)
    heads = [str(column) for column in table.columns]
    return HtmlTable(title, note, heads, numeric_columns(table), texts.to_numpy().tolist())


def render_report(
    tables: Mapping[str, pd.DataFrame],
    figures: Sequence[ReportFigure],
    config: Mapping[str, Any],
    split_summaries: Mapping[str, Mapping[str, Any]],
    provenance: Sequence[Mapping[str, Any]],
    template: Path,
) -> str:
    """Return the report as an HTML page.

    Parameters
    ----------
    tables
        trials, budget, effects, noise, cost_model, environment, replay, replay_summary, signals,
        replay_check, prediction, prediction_saving and recommendations, as in results/tables.
    figures
        The figures in the order in which they appear; captions are plain text.
    config
        The study's config.
    split_summaries
        The summary of each data set's split by its name.
    provenance
        Where each data set came from, as `data.sources.fetch_table` returns it.
    template
        The Jinja template of the page.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(template.name).render(
        subtitle=_subtitle(config, tables["trials"]),
        rq1=answer_rq1(tables["effects"], tables["cost_model"]),
        rq2=_answer_rq2(tables, config),
        explorer=explorer_html(tables["replay"], tables["signals"]),
        figures={
            question: [
                figure for figure in figures if FIGURE_KINDS[figure.kind].question == question
            ]
            for question in ("RQ1", "RQ2")
        },
        result_tables=[
            *_result_tables(tables),
            *_replay_tables(tables, config),
            *_host_tables(tables),
        ],
        study_tables=_study_tables(config, split_summaries),
        method=_method(config),
        limitations=_limitations(config, tables),
        environment=_environment_table(tables["environment"]),
        provenance=_provenance_table(provenance),
    )


def _answer_rq2(tables: Mapping[str, pd.DataFrame], config: Mapping[str, Any]) -> Answer:
    live = answer_rq2(tables["budget"], tables["noise"], config)
    sentences = [live.paragraph, *replay_sentences(tables["replay_summary"])]
    points = [*live.points, *replay_points(tables, config["constraints"])]
    return Answer(" ".join(sentences), points)


def _subtitle(config: Mapping[str, Any], trials: pd.DataFrame) -> str:
    study = config["study"]
    parts = [
        counted(trials["dataset"].nunique(), "data set"),
        counted(trials["algorithm"].nunique(), "algorithm"),
        counted(trials["arm"].nunique(), "arm"),
        counted(study["repetitions"], "repetition"),
        counted(len(trials), "trial"),
    ]
    return in_words(parts)


def _result_tables(tables: Mapping[str, pd.DataFrame]) -> list[HtmlTable]:
    return [
        html_table(
            budget_summary(tables["budget"]),
            "Budget and regret of each arm",
            "Means over the repetitions. Time and steps saved are compared with the full budget. "
            "Scores are accuracy, or minus RMSE in the target's unit; regret is the full budget's "
            "best score minus the arm's, test regret the same on the held-out part, and a dash means "
            "that no trial was left. The noise floor is the largest share by which the training time "
            "of one of the pair's studies differed from the baseline's in the trials that it did not "
            "stop; a saving of time below it is none. With several repetitions, time saved has its "
            "95 % bootstrap interval. Winner stopped counts the repetitions in which the arm stopped "
            "the trial that the full budget chose.",
        ),
        html_table(
            noise_digest(tables["noise"]),
            "Noise floor",
            "Readings of one and the same trial in two arms, which differ in nothing else: 95 % of "
            "them agree within this share of the reading.",
        ),
        html_table(
            effect_digest(tables["effects"]),
            "Effects of the hyperparameters",
            "Share of variance explained in percent, with its 95 % interval. A direction is given "
            "where the adjusted p value is below 0.05: the metric rises or falls as the "
            "hyperparameter grows.",
        ),
        html_table(
            cost_table(tables["cost_model"]),
            "Cost of a training step",
            "Step time = fixed cost + batch size x cost per sample.",
        ),
    ]


def _replay_tables(
    tables: Mapping[str, pd.DataFrame], config: Mapping[str, Any]
) -> list[HtmlTable]:
    limits = ", ".join(
        f"{metric_label(metric)} at most {limit_label('metric_limit', metric, limit)}"
        for metric, limit in config["constraints"].items()
    )
    digests = [
        html_table(
            replay_digest(tables["replay_summary"]),
            "What each rule could save",
            "Every rule at every limit, replayed on the baseline. A pair is a data set and an "
            "algorithm; savings are of training time, medians over the pairs. Saved without regret "
            "is what the best limit saves if it is known beforehand, 0 where there is none. At the "
            "knee more saving begins to cost much regret; random stopping is that of as many trials "
            "after as many windows. Other repetitions: the best limit of one repetition applied to "
            "them.",
        ),
        html_table(
            replay_check_digest(tables["replay_check"]),
            "Live searches against their replay",
            "Trials are stopped alike if live search and replay stop them after the same window, or "
            "neither does. Near the limit: the reading is as close to it as two readings of one "
            "trial differ. Savings are medians over the studies.",
        ),
        html_table(
            prediction_digest(tables["prediction"]),
            "Error of the prediction",
            "How far the final value is missed: the median over the trials and, in brackets, what "
            "90 % of them stay within; both as medians over data sets and algorithms. Training time "
            "is extrapolated, the other metrics are predicted to stay what they have been.",
        ),
        html_table(
            prediction_saving_digest(tables["prediction_saving"]),
            "Stopping on the predicted training time",
            "Medians over the studies, in replay.",
        ),
        html_table(
            recommendation_digest(tables["recommendations"]),
            "Recommended configurations",
            f"The best configuration that keeps your limits ({limits or 'none given'}) in every "
            "repetition, and the rule that trains it to its end and stops most of the others: a "
            "bound, as its limit is known only in hindsight. Your limits save what stopping on them "
            "saves.",
        ),
    ]
    return [table for table in digests if table.rows]


def _host_tables(tables: Mapping[str, pd.DataFrame]) -> list[HtmlTable]:
    hosts = host_digest(host_table(tables["trials"], tables["environment"]))
    if len(hosts) < 2:
        return []
    return [
        html_table(
            hosts,
            "Hosts",
            "Step time: the median over the configurations that completed on several hosts, each "
            "compared with the mean of these hosts; a dash means that there are none.",
        )
    ]


def _study_tables(
    config: Mapping[str, Any], split_summaries: Mapping[str, Mapping[str, Any]]
) -> list[HtmlTable]:
    return [
        html_table(dataset_table(config, split_summaries), "Data sets"),
        html_table(algorithm_table(config), "Algorithms and their grid"),
        html_table(arm_table(config), "Arms"),
        html_table(metric_table(), "Metrics"),
    ]


def _method(config: Mapping[str, Any]) -> list[str]:
    budget, split = config["budget"], config["split"]
    bounds = [counted(budget["steps"], "training step")]
    if budget["epochs"] is not None:
        bounds.append(f"{budget['epochs']:g} epochs")
    if budget["seconds"] is not None:
        bounds.append(f"{budget['seconds']:g} s of training")
    first = ", whichever ends first" if len(bounds) > 1 else ""
    return [
        f"{percent(split['test_fraction'])} of each data set is held out for the test. A trial is "
        f"one configuration of the grid: {counted(split['folds'], 'model')}, one for each fold of "
        "a cross validation on the rest, trained side by side on one core. A training step fits "
        "one mini-batch into one model with scikit-learn's partial_fit, which updates the model on "
        "one sample of the mini-batch at a time.",
        f"A trial may use {in_words(bounds, 'or')} of each model{first}. After every "
        f"{counted(budget['window_steps'], 'step')}, which make a window, the models are evaluated "
        "and the system metrics are read, while a mini-batch is still in memory; only then may a "
        f"rule stop the trial. The first {counted(budget['warmup_steps'], 'step')} do not count "
        "into step time.",
        "Every arm searches the same grid with the same seeds; the arms differ in their stopping "
        "rule alone, and the baseline has none. A limit given as a quantile is taken from the "
        "completed trials of the baseline with the same data set, algorithm and repetition. A trial "
        "that broke a limit on a system metric cannot be chosen as the best, because it is too "
        "costly to be wanted; a trial that the plateau rule stopped can, because it had ceased to "
        "improve. Diverged trials are results, but never the best.",
        "Effects of hyperparameters come from the completed trials of the baseline. The share of "
        "variance that one explains is taken from a model of all hyperparameters and the repetition "
        "(omega squared); p values are those of F tests on values and on aligned ranks, adjusted for the number of "
        "tests (Benjamini and Hochberg). Both compare an effect with how far repetitions of one "
        "configuration differ or, where there are too few of these, with what an additive model "
        "leaves. An effect is called found where the adjusted p value is below 0.05.",
        "The replay asks a rule about the windows of the baseline, which trains every trial to the "
        "end, and so tells what any limit would have saved and lost. Rules that compare trials with "
        "each other are replayed in a virtual search with the same number of workers and the same "
        "order of trials.",
    ]


def _limitations(config: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> list[str]:
    trials, budget = tables["trials"], tables["budget"]
    limitations = [
        *_repetition_limits(budget),
        "The machine's speed drifts, all the more if others use it too. Arms run one after the other, "
        "so a saving in time holds such drift; the share of steps saved does not.",
        *_reading_limits(trials, tables["environment"]),
        "Batch size is not what it is elsewhere: scikit-learn updates on one sample at a time inside "
        "a mini-batch, so a larger batch means more updates in a step, not a better gradient.",
        "A replay takes it that trials would have run as they did in the baseline, and leaves out the "
        "time between trials. With few trials in a grid the best of many limits saves a lot by luck: "
        "trust what a limit saves in other repetitions, not what it saves where it was found.",
        "Regret is measured on the validation folds that chose the best trial; the regret on the test "
        "part is from one model for each winner. A regret of zero does not mean that nothing was at "
        "stake, only that this grid had another trial as good.",
    ]
    if config["budget"]["seconds"] is not None:
        limitations.append(
            "Trials may end by the clock (budget.seconds), so the same trial can take more steps in "
            "one arm than in another, and arms then differ by more than their rule."
        )
    borders = borders_of_grid(trials, budget)
    if borders:
        places = "; ".join(f"{pair}: {in_words(names)}" for pair, names in borders)
        limitations.append(
            "A best trial on the border of the grid has not found its optimum, which may lie beyond. "
            f"This is so for {places}."
        )
    levels = trials[HYPERPARAMETERS].nunique()
    two_valued = [spoken(name) for name in levels.index[levels == 2]]
    if two_valued:
        limitations.append(
            f"Of {in_words(two_valued)} the grid has two values, so every best trial lies on its border."
        )
    return limitations + _incomplete_trials(trials) + host_limits(trials, tables["environment"])


def _repetition_limits(budget: pd.DataFrame) -> list[str]:
    if budget["repetition"].nunique() > 1:
        return []
    return ["Every study was run once, so how much regret depends on the seed cannot be told."]


def _reading_limits(trials: pd.DataFrame, environment: pd.DataFrame) -> list[str]:
    """Say which readings are in doubt: unstable ones, and those of a busy machine."""
    notes = []
    baseline = trials[trials["arm"] == BASELINE_ARM]
    unstable = baseline["step_time_unstable"]
    if unstable.ne("").any():
        reasons = [
            f"{CRITERIA[name]} ({counted(int(found), 'trial')})"
            for name in CRITERIA
            if (found := unstable.str.split(",").map(lambda names, name=name: name in names).sum())
        ]
        share = out_of(int(unstable.ne("").sum()), len(baseline), "trial")
        notes.append(
            f"The step time of {share} of the baseline is unstable by the criteria of pyperf: "
            f"{'; '.join(reasons)}. The column step_time_unstable marks them."
        )
    busy = int(environment["busy_studies"].sum())
    if busy:
        notes.append(
            f"In {out_of(busy, len(trials[STUDY].drop_duplicates()), 'study', 'studies')} the machine was "
            "busy with something else; their times are too long. Repeat them on a quiet machine."
        )
    return notes


def _incomplete_trials(trials: pd.DataFrame) -> list[str]:
    baseline = trials[trials["arm"] == BASELINE_ARM]
    notes = []
    diverged = int((baseline["status"] == "diverged").sum())
    if diverged:
        algorithms = baseline.loc[baseline["status"] == "diverged", "algorithm"].unique()
        names = in_words([ALGORITHMS[name].label.lower() for name in algorithms])
        notes.append(
            f"{out_of(diverged, len(baseline), 'trial').capitalize()} of the baseline diverged "
            f"({names}) and {'is' if diverged == 1 else 'are'} missing from the effects, which "
            "therefore describe the configurations that can be trained."
        )
    failed = int((trials["status"] == "failed").sum())
    if failed:
        notes.append(
            f"{out_of(failed, len(trials), 'trial').capitalize()} failed for technical reasons. Their "
            "configurations are left out of the comparison of arms."
        )
    return notes


def _environment_table(environment: pd.DataFrame) -> HtmlTable:
    """Return the environments side by side, a row per property."""
    by_property = display(environment).T
    by_property.columns = [
        "Value" if len(environment) == 1 else f"Environment {at + 1}"
        for at in range(len(environment))
    ]
    by_property.insert(0, "Property", [name.replace("_", " ") for name in by_property.index])
    return html_table(by_property, "Environment")


def _provenance_table(provenance: Sequence[Mapping[str, Any]]) -> HtmlTable:
    columns = {
        "dataset": "Data set",
        "source": "Source",
        "sha256": "SHA-256",
        "fetched_at": "Fetched",
        "licence": "Licence",
    }
    table = pd.DataFrame(provenance, columns=list(columns)).rename(columns=columns)
    return html_table(table, "Origin of the data")
