"""The configuration that suits an application, and what finding it would cost."""

from collections.abc import Mapping

import pandas as pd

from sysstop.report.subject import Answer, Subject
from sysstop.report.text_tables import ReportTable, counts_of
from sysstop.report.wording import (
    MISSING,
    algorithm_label,
    capitalised,
    in_words,
    metric_label,
    out_of,
    pair_label,
    percent,
    span,
    spoken,
    with_unit,
)
from sysstop.study.hyperparameters import Levels
from sysstop.study.keys import PAIR, RULE
from sysstop.study.metrics import METRIC_BY_NAME
from sysstop.study.rules import rule_at


def recommendation_digest(recommendations: pd.DataFrame, levels: Levels) -> pd.DataFrame:
    """Return a row per data set and algorithm: what to use, and how to find it cheaply."""
    table = recommendations
    return pd.DataFrame(
        {
            "Data set": table["dataset"],
            "Algorithm": table["algorithm"].map(algorithm_label),
            "Keep the limits": counts_of(table, "configurations_within", "configurations"),
            **{capitalised(spoken(name)): table[name] for name in levels},
            "Score": table["score"],
            "Best score without limits": table["unconstrained_score"],
            **{
                METRIC_BY_NAME[metric].axis_label: table[metric]
                for metric in (
                    "steady_step_time_ms",
                    "step_time_ms",
                    "steady_train_time_s",
                    "train_time_s",
                    "memory_peak_mb",
                    "steady_predict_time_us",
                    "model_mb",
                )
            },
            "Found for least by": [
                _rule_text(*row)
                for row in table[[*RULE, "limit"]].itertuples(index=False, name=None)
            ],
            "Which saves (%)": 100 * table["saved_time_fraction"],
            "Your limits save (%)": 100 * table["constraints_saved_time_fraction"],
        }
    )


RECOMMENDATIONS_TABLE = ReportTable(
    name="recommendations",
    title="Recommended configurations",
    sources=("recommendations",),
    digest=lambda data: recommendation_digest(
        data.tables["recommendations"], data.config["hyperparameters"]
    ),
    note=lambda data: (
        "The best configuration that keeps your limits "
        f"({', '.join(_limit_texts(data.config['constraints'])) or 'none given'}) in every "
        "repetition, and the rule that trains it to its end and stops most of the others: a "
        "bound, as its limit is known only in hindsight. Your limits save what stopping on them "
        "saves. Savings are of steady training time."
    ),
)


def recommended(recommendations: pd.DataFrame, constraints: Mapping[str, float]) -> str:
    """Say which pairs keep the application's limits, what that costs, and how to find the best."""
    table = recommendations
    if table.empty:
        return ""
    sentences = []
    found = table[table["configurations_within"] > 0]
    if constraints:
        limits = _limit_texts(constraints)
        sentences.append(
            f"With {in_words(limits)}, {out_of(len(found), len(table), 'pair')} "
            f"{'has' if len(found) == 1 else 'have'} a configuration that keeps the limits in every "
            "repetition."
        )
        same = int((found["score"] == found["unconstrained_score"]).sum())
        if len(found):
            sentences.append(
                f"The best that keeps them is the best of all in {out_of(same, len(found), 'pair')}."
            )
        missing = table[table["configurations_within"] == 0]
        if len(missing):
            names = [pair_label(*pair) for pair in missing[PAIR].itertuples(index=False)]
            sentences.append(f"No configuration keeps them for {in_words(names)}.")
        saved = table["constraints_saved_time_fraction"]
        killed = int(found["constraints_stop_best"].sum())
        sentences.append(
            f"Stopping on these limits themselves saves {span(saved, percent)} of the steady training "
            "time"
            + (
                f", but in {out_of(killed, len(found), 'pair')} a single window beyond a limit stops "
                "the recommended one; grace_windows or a limit somewhat higher keeps it."
                if killed
                else " and never stops the recommended one."
            )
        )
    else:
        sentences.append(
            "The config names no limits (constraints), so the best configuration is that of the full "
            "search."
        )
    if found["rule"].ne("").any():
        saved = found.loc[found["rule"] != "", "saved_time_fraction"]
        names = (
            found.loc[found["rule"] != "", ["rule", "metric"]]
            .value_counts()
            .index.map(lambda names: rule_at(*names).label)
        )
        sentences.append(
            "The rule that trains the recommended configuration to its end and stops most of the others "
            f"saves {span(saved, percent)}; mostly it is a {names[0]}. Its limit is known only in "
            "hindsight, so this bounds what can be saved."
        )
    return " ".join(sentences)


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
    tables=(RECOMMENDATIONS_TABLE,),
    question="RQ2",
    answer=lambda data: Answer(
        "",
        [
            (
                "For an application",
                recommended(data.tables["recommendations"], data.config["constraints"]),
            )
        ],
    ),
)
