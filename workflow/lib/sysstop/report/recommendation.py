"""The configuration that suits an application, and what finding it would cost."""

from collections.abc import Mapping

import pandas as pd

from sysstop.report.subject import Answer, Subject
from sysstop.report.text_tables import ReportTable, counts_of, two_digits, whole_percents
from sysstop.report.wording import (
    MISSING,
    algorithm_label,
    capitalised,
    in_words,
    metric_label,
    out_of,
    pair_label,
    percent,
    spoken,
    with_unit,
)
from sysstop.study.hyperparameters import Levels
from sysstop.study.keys import PAIR, RULE
from sysstop.study.metrics import METRIC_BY_NAME
from sysstop.study.rules import rule_at

ADVISED_METRICS = ("steady_step_time_ms", "steady_train_time_s", "memory_peak_mb")
TIME_UNITS = ("µs", "ms", "s")


def advice_digest(
    recommendations: pd.DataFrame, levels: Levels, constraints: Mapping[str, float]
) -> pd.DataFrame:
    """Return a row per data set and algorithm: what to use, and what that costs."""
    table = recommendations
    metrics = list(dict.fromkeys([*ADVISED_METRICS, *constraints]))
    return pd.DataFrame(
        {
            "Data set": table["dataset"],
            "Algorithm": table["algorithm"].map(algorithm_label),
            **{capitalised(spoken(name)): table[name] for name in levels},
            "Score": table["score"],
            **{
                METRIC_BY_NAME[metric].axis_label: _rounded(metric, table[metric])
                for metric in metrics
            },
        }
    )


def _rounded(metric: str, values: pd.Series) -> pd.Series:
    """Return readings with the digits that matter: of times, which are noisy, and of small sizes two."""
    few = METRIC_BY_NAME[metric].unit in TIME_UNITS
    return two_digits(values) if few else values.round(1).where(values >= 1, two_digits(values))


ADVICE_TABLE = ReportTable(
    name="advice",
    title="What to use",
    sources=("recommendations",),
    in_papers=False,
    naming=2,
    digest=lambda data: advice_digest(
        data.tables["recommendations"], data.config["hyperparameters"], data.config["constraints"]
    ),
    note=lambda data: (
        f"The best configuration of the full search{_within(data.config['constraints'])}. Scores are "
        "accuracy, or minus RMSE in the target's unit."
    ),
)


def recommendation_digest(recommendations: pd.DataFrame) -> pd.DataFrame:
    """Return a row per data set and algorithm: what the limits cost, and how to find the best."""
    table = recommendations
    return pd.DataFrame(
        {
            "Data set": table["dataset"],
            "Algorithm": table["algorithm"].map(algorithm_label),
            "Keep the limits": counts_of(table, "configurations_within", "configurations"),
            "Score": table["score"],
            "Best score without limits": table["unconstrained_score"],
            "Your limits save (%)": whole_percents(table["constraints_saved_time_fraction"]),
            "Found for least by": [
                _rule_text(*row)
                for row in table[[*RULE, "limit"]].itertuples(index=False, name=None)
            ],
            "Which saves (%)": whole_percents(table["saved_time_fraction"]),
        }
    )


RECOMMENDATIONS_TABLE = ReportTable(
    name="recommendations",
    title="What your limits cost and save",
    sources=("recommendations",),
    naming=2,
    digest=lambda data: recommendation_digest(data.tables["recommendations"]),
    note=(
        "Your limits save what stopping on them saves of the steady training time. Found for least by: "
        "the rule and limit that stop most trials but not the best; known only in hindsight, so a bound."
    ),
)


def recommended(recommendations: pd.DataFrame, constraints: Mapping[str, float]) -> Answer:
    """Say which pairs keep the application's limits, what that costs, and what stopping on them saves."""
    table = recommendations
    if table.empty:
        return Answer("")
    if not constraints:
        return Answer(
            "The config names no limits (constraints), so the best configuration is that of the full "
            "search.",
            claim="No limits of an application were given.",
        )
    found = table[table["configurations_within"] > 0]
    kept = out_of(len(found), len(table), "pair")
    sentences = [
        f"{capitalised(kept)} of data set and algorithm "
        f"{'has' if len(found) == 1 else 'have'} a configuration with "
        f"{in_words(_limit_texts(constraints))} in every repetition."
    ]
    missing = table[table["configurations_within"] == 0]
    if len(missing):
        names = [pair_label(*pair) for pair in missing[PAIR].itertuples(index=False)]
        sentences.append(f"None keeps them for {in_words(names)}.")
    if len(found):
        same = int((found["score"] == found["unconstrained_score"]).sum())
        sentences.append(f"The limits cost no score in {out_of(same, len(found), 'such pair')}.")
    saved = table["constraints_saved_time_fraction"]
    sentences.append(
        f"Stopping on these limits saves {percent(saved.median())} of the steady training time"
        f"{f' (median of {len(table)} pairs)' if len(table) > 1 else ''}."
    )
    killed = int(found["constraints_stop_best"].sum())
    if killed:
        sentences.append(
            f"In {out_of(killed, len(found), 'pair')} a single window beyond a limit stops the "
            "recommended configuration; grace_windows or a limit somewhat higher keeps it."
        )
    return Answer(" ".join(sentences), claim=f"Your limits can be kept in {kept}.")


def _within(constraints: Mapping[str, float]) -> str:
    if not constraints:
        return ""
    return f" with {in_words(_limit_texts(constraints))} in every repetition"


def _rule_text(name: str, metric: str, limit: float) -> str:
    if not name:
        return MISSING
    rule = rule_at(name, metric, limit)
    return capitalised(f"{rule.label} at {rule.limit_text()}")


def _limit_texts(constraints: Mapping[str, float]) -> list[str]:
    return [
        f"{metric_label(metric)} at most {with_unit(limit, METRIC_BY_NAME[metric].unit)}"
        for metric, limit in constraints.items()
    ]


RECOMMENDATION = Subject(
    name="recommendation",
    title="What your limits cost and save",
    tables=(RECOMMENDATIONS_TABLE,),
    question="RQ2",
    answer=lambda data: recommended(data.tables["recommendations"], data.config["constraints"]),
)
