"""What a training step costs: a fixed cost and a cost per sample."""

import numpy as np
import pandas as pd

from sysstop.report.baseline import SAMPLE_TIME, STEP_TIME
from sysstop.report.subject import Answer, Subject
from sysstop.report.text_tables import ReportTable, two_digits
from sysstop.report.wording import algorithm_label, out_of
from sysstop.study.hyperparameters import BATCH_SIZE
from sysstop.study.keys import PAIR

# A cost model that explains a smaller share of steady step time's variance is not quoted.
FITTING_SHARE = 0.5


def cost_table(cost_model: pd.DataFrame) -> pd.DataFrame:
    """Return the cost model of each data set and algorithm (see `effects.cost_model`)."""
    return pd.DataFrame(
        {
            "Data set": cost_model["dataset"],
            "Algorithm": cost_model["algorithm"].map(algorithm_label),
            "Fixed cost of a step (ms)": two_digits(cost_model["fixed_ms"]),
            "Cost per sample (µs)": two_digits(cost_model["per_sample_us"]),
            "Half of a step is fixed at batch size": two_digits(
                cost_model["half_batch_size"].replace(np.inf, np.nan)
            ),
            "Variance explained by this line (%)": (100 * cost_model["r_squared"]).round(),
            "Trials": cost_model["n"],
        }
    )


COST_TABLE = ReportTable(
    name="cost_model",
    title="Cost of a training step",
    naming=2,
    sources=("cost_model",),
    in_papers=False,
    digest=lambda data: cost_table(data.tables["cost_model"]),
    note="Steady step time = fixed cost + batch size x cost per sample.",
)


def cost_answer(cost_model: pd.DataFrame, effects: pd.DataFrame) -> Answer:
    """Say what a step costs, and what that means for the batch size."""
    sentences = [*_step_against_sample(effects), *_cost_model_sentences(cost_model)]
    return Answer(" ".join(sentences), claim=sentences[0] if sentences else "")


def _step_against_sample(effects: pd.DataFrame) -> list[str]:
    """Say in how many pairs large batches are slow per step and cheap per sample."""
    batch = effects[effects["hyperparameter"] == BATCH_SIZE].dropna(subset="median_at_lowest")
    ends = batch.set_index([*PAIR, "metric"])[["median_at_lowest", "median_at_highest"]]
    grows = (ends["median_at_highest"] > ends["median_at_lowest"]).unstack("metric")
    if not {STEP_TIME, SAMPLE_TIME} <= set(grows):
        return []
    both = int((grows[STEP_TIME].astype(bool) & ~grows[SAMPLE_TIME].astype(bool)).sum())
    return [
        f"In {out_of(both, len(grows), 'pair')} a larger batch makes each step slower and each sample "
        "cheaper."
    ]


def _cost_model_sentences(cost_model: pd.DataFrame) -> list[str]:
    fitted = cost_model.dropna(subset=["fixed_ms"])
    if fitted.empty:
        return []
    fitting = fitted[fitted["r_squared"] >= FITTING_SHARE]
    if fitting.empty:
        return [
            "Over this grid the time of a step hardly depends on the batch size: nowhere does a fixed "
            "cost per step plus a cost per sample explain half of its variance."
        ]
    return [
        f"In {out_of(len(fitting), len(fitted), 'pair')} a step takes a fixed time plus a time for each "
        "sample; the table has both.",
        "Up to the batch size at which half of a step is fixed, a larger batch makes samples cheaper "
        "at little more time per step.",
        "Far beyond it, no batch can make them cheaper by more than half.",
    ]


COST = Subject(
    name="cost",
    title="What a training step costs",
    tables=(COST_TABLE,),
    question="RQ1",
    answer=lambda data: cost_answer(data.tables["cost_model"], data.tables["effects"]),
)
