"""How much readings of the same thing differ, and which readings are in doubt."""

import pandas as pd

from sysstop.report.subject import Subject
from sysstop.report.text_tables import ReportTable
from sysstop.report.wording import (
    NO_BREAK,
    algorithm_label,
    counted,
    in_words,
    metric_label,
    out_of,
    percent,
    rough,
    span,
)
from sysstop.results.stability import CRITERIA
from sysstop.study.keys import PAIR, STUDY
from sysstop.study.metrics import METRIC_BY_NAME, metric_names
from sysstop.study.studies import BASELINE_ARM


def noise_digest(noise: pd.DataFrame) -> pd.DataFrame:
    """Return a row per data set and algorithm, and a column for the noise floor of each metric."""
    keys = ["dataset", "algorithm", "repeated_trials"]
    digest = (100 * noise.pivot(index=keys, columns="metric", values="floor")).reset_index()
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
    digest=lambda data: noise_digest(data.tables["noise"]),
    note=(
        "Readings of the same trial in two arms, where nothing else differs: 95 % of "
        "them agree within this share of the reading."
    ),
)


def noise_sentences(compared: pd.DataFrame, noise: pd.DataFrame) -> list[str]:
    """Say how much readings differ where nothing else does, and which savings exceed that."""
    if noise.empty:
        return [
            "No trial ran to its end in two arms, so the noise of the measurement is not known: "
            "trust savings of steps, which are exact, before savings of time."
        ]
    floor = noise.pivot(index=PAIR, columns="metric", values="floor")
    shown = ("steady_train_time_s", "steady_step_time_ms", "memory_mb")
    floors = [f"{metric_label(metric)} {span(floor[metric], percent)}" for metric in shown]
    sentences = [
        "Trials that no rule stopped repeat the baseline's, and so show the noise: 95 % of the repeated "
        f"readings of a pair agreed within {in_words(floors)}; for the wall time of steps it is "
        f"{span(floor['step_time_ms'], percent)}."
    ]
    known = compared.dropna(subset=["steady_noise_floor"])
    if known.empty:
        return sentences
    steady, wall = (
        span(known.groupby(PAIR)[name].first(), percent)
        for name in ("steady_noise_floor", "noise_floor")
    )
    sentences.append(
        f"Of a whole study, steady training time drifted by up to {steady}, wall time by up to {wall}."
    )
    stopping = known[known["trials_stopped"] > 0]
    if len(stopping):
        above, above_in_wall_time = (
            out_of(
                int((stopping[found] & (stopping[saved] > 0)).sum()),
                len(stopping),
                "study",
                "studies",
            )
            for found, saved in (
                ("above_steady_noise_floor", "steady_saved_fraction"),
                ("above_noise_floor", "saved_fraction"),
            )
        )
        sentences.append(
            f"Of the studies that stopped a trial, the saving of steady time is more than that in {above}, "
            f"the saving of wall time in {above_in_wall_time}."
        )
    return [*sentences, "Savings of steps are exact."]


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
    tables=(NOISE_TABLE,),
    method=lambda data: [STEADY_TIME],
    limitations=lambda data: noise_limitations(data.tables["trials"], data.tables["environment"]),
)
