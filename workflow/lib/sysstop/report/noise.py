"""How much readings of the same thing differ, and which readings are in doubt."""

import pandas as pd

from sysstop.report.subject import Answer, Subject
from sysstop.report.text_tables import ReportTable
from sysstop.report.wording import (
    NO_BREAK,
    algorithm_label,
    capitalised,
    counted,
    out_of,
    percent,
    rough,
    span,
)
from sysstop.results.stability import CRITERIA
from sysstop.study.keys import STUDY
from sysstop.study.metrics import METRIC_BY_NAME, metric_names
from sysstop.study.studies import BASELINE_ARM


def noise_digest(noise: pd.DataFrame) -> pd.DataFrame:
    """Return a row per data set and algorithm, and a column for the noise floor of each metric."""
    keys = ["dataset", "algorithm", "repeated_trials"]
    digest = (100 * noise.pivot(index=keys, columns="metric", values="floor")).round(1)
    digest = digest.reset_index()
    heads = {"dataset": "Data set", "repeated_trials": "Repeated trials"}
    columns = {name: f"{METRIC_BY_NAME[name].label} (%)" for name in metric_names("system")}
    digest.insert(1, "Algorithm", digest.pop("algorithm").map(algorithm_label))
    return digest.reindex(columns=["dataset", "Algorithm", "repeated_trials", *columns]).rename(
        columns=heads | columns
    )


NOISE_TABLE = ReportTable(
    name="noise",
    title="Noise floor",
    sources=("noise",),
    naming=2,
    digest=lambda data: noise_digest(data.tables["noise"]),
    note=(
        "Readings of the same trial in two arms, where nothing else differs: 95 % of "
        "them agree within this share of the reading."
    ),
)


def noise_answer(budget: pd.DataFrame, noise: pd.DataFrame) -> Answer:
    """Say how far readings of the same thing differ, and how many savings exceed that."""
    if noise.empty:
        text = (
            "No trial ran to its end in two arms, so the noise of the measurement is not known: "
            "trust savings of steps, which are exact, before savings of time."
        )
        return Answer(text, claim="How large the noise is could not be measured.")
    floor = noise.groupby("metric")["floor"].max()
    step_time = percent(floor["steady_step_time_ms"])
    sentences = [
        f"95 % of the readings of a step's time, read again in another arm, agree within {step_time} in "
        f"steady time, and within {percent(floor['step_time_ms'])} in wall time, even for the noisiest "
        "data set and algorithm.",
    ]
    stopping = budget[(budget["arm"] != BASELINE_ARM) & (budget["trials_stopped"] > 0)]
    stopping = stopping.dropna(subset=["steady_noise_floor"])
    claim = f"Repeated readings of a step's time agree within {step_time}."
    if len(stopping):
        steady, wall = (
            out_of(
                int((stopping[found] & (stopping[saved] > 0)).sum()),
                len(stopping),
                "search",
                "searches",
            )
            for found, saved in (
                ("above_steady_noise_floor", "steady_saved_fraction"),
                ("above_noise_floor", "saved_fraction"),
            )
        )
        sentences.append(
            f"Of the searches that stopped a trial, {steady} saved more steady time than the noise, "
            f"{wall} more wall time."
        )
        claim = f"{capitalised(steady)} that stopped a trial saved more than the noise."
    sentences.append("Savings of steps are exact.")
    return Answer(" ".join(sentences), claim=claim)


def noise_limitations(trials: pd.DataFrame, environment: pd.DataFrame) -> list[str]:
    """Say what is in doubt about readings: drift, unstable readings and those of a busy machine."""
    return [
        "The machine's speed drifts, all the more if others use it too. Arms run one after the other, "
        "so a saving of wall time includes such drift. Steady time leaves most of it out, and the noise "
        "floor shows what is left; the share of steps saved has none.",
        *_slowdown(trials),
        *_unstable_readings(trials),
        *_busy_machines(trials, environment),
    ]


def _slowdown(trials: pd.DataFrame) -> list[str]:
    known = trials["slowdown"].dropna()
    if known.empty:
        return []
    usual = known.quantile([0.05, 0.95])
    return [
        f"In 90{NO_BREAK}% of the trials the reference step took {span(usual, rough)} times its nominal "
        "CPU time; the further from 1, the more steady time relies on it."
    ]


def _unstable_readings(trials: pd.DataFrame) -> list[str]:
    baseline = trials[trials["arm"] == BASELINE_ARM]
    unstable = baseline["step_time_unstable"]
    if not unstable.ne("").any():
        return []
    reasons = [
        f"{CRITERIA[name]} ({counted(int(found), 'trial')})"
        for name in CRITERIA
        if (found := unstable.str.split(",").map(lambda names, name=name: name in names).sum())
    ]
    share = out_of(int(unstable.ne("").sum()), len(baseline), "trial")
    return [
        f"The wall-clock step time of {share} of the baseline is unstable by the criteria of pyperf: "
        f"{'; '.join(reasons)}. The column step_time_unstable marks them."
    ]


def _busy_machines(trials: pd.DataFrame, environment: pd.DataFrame) -> list[str]:
    busy = int(environment["busy_studies"].sum())
    if not busy:
        return []
    studies = len(trials[STUDY].drop_duplicates())
    return [
        f"In {out_of(busy, studies, 'study', 'studies')} the machine was busy with something else; "
        "their wall times are too long. Compare steady times, or repeat them on a quiet machine."
    ]


STEADY_TIME = (
    "Steady time is the CPU time of training steps divided by the slowdown, which is the CPU time of a "
    "reference step over its nominal: a fixed throw-away model is trained on fixed rows of the same data "
    "set now and then in the trial's own process, and its nominal was read once, before the data set's "
    "first search. CPU time leaves out what other programs take of the core, and the reference step "
    "takes out how far they slow the rest, such as caches, memory and clock. Limits, predictions, "
    "effects and savings of time are in steady time unless they say otherwise; wall time stands beside "
    "it in the tables."
)

NOISE = Subject(
    name="noise",
    title="How sure the savings are",
    tables=(NOISE_TABLE,),
    question="RQ2",
    answer=lambda data: noise_answer(data.tables["budget"], data.tables["noise"]),
    method=lambda data: [STEADY_TIME],
    limitations=lambda data: noise_limitations(data.tables["trials"], data.tables["environment"]),
)
