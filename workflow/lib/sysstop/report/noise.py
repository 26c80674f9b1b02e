"""How much readings of the same thing differ, and which readings are in doubt."""

import pandas as pd

from sysstop.report.subject import Subject
from sysstop.report.text_tables import ReportTable
from sysstop.report.wording import (
    algorithm_label,
    counted,
    in_words,
    metric_label,
    out_of,
    percent,
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
    floors = [
        f"{metric_label(metric)} {span(floor[metric], percent)}"
        for metric in ("train_time_s", "step_time_ms", "memory_mb")
    ]
    sentences = [
        "Trials that no rule stopped repeat the baseline's, and so show the noise: 95 % of the repeated "
        f"readings of a pair agreed within {in_words(floors)}."
    ]
    known = compared.dropna(subset=["noise_floor"])
    if known.empty:
        return sentences
    above = int((known["above_noise_floor"] & (known["saved_fraction"] > 0)).sum())
    sentences.append(
        "Of a whole study, training time drifted by up to "
        f"{span(known.groupby(['dataset', 'algorithm'])['noise_floor'].first(), percent)}; the saving "
        f"of time is more than that in {out_of(above, len(known), 'study', 'studies')}. Savings of "
        "steps are exact."
    )
    return sentences


def noise_limitations(trials: pd.DataFrame, environment: pd.DataFrame) -> list[str]:
    """Say what is in doubt about readings: drift, unstable readings and those of a busy machine."""
    return [
        "The machine's speed drifts, all the more if others use it too. Arms run one after the other, "
        "so a saving of time includes such drift; the share of steps saved does not.",
        *_unstable_readings(trials),
        *_busy_machines(trials, environment),
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
        f"The step time of {share} of the baseline is unstable by the criteria of pyperf: "
        f"{'; '.join(reasons)}. The column step_time_unstable marks them."
    ]


def _busy_machines(trials: pd.DataFrame, environment: pd.DataFrame) -> list[str]:
    busy = int(environment["busy_studies"].sum())
    if not busy:
        return []
    studies = len(trials[STUDY].drop_duplicates())
    return [
        f"In {out_of(busy, studies, 'study', 'studies')} the machine was busy with something else; "
        "their times are too long. Repeat them on a quiet machine."
    ]


NOISE = Subject(
    tables=(NOISE_TABLE,),
    limitations=lambda data: noise_limitations(data.tables["trials"], data.tables["environment"]),
)
