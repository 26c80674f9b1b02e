"""What a training step costs: a fixed cost and a cost per sample."""

import numpy as np
import pandas as pd

from sysstop.report.text_tables import ReportTable
from sysstop.report.wording import algorithm_label, number, out_of, percent, rough, span

# A cost model that explains a smaller share of steady step time's variance is not quoted.
FITTING_SHARE = 0.5


def cost_table(cost_model: pd.DataFrame) -> pd.DataFrame:
    """Return the cost model of each data set and algorithm (see `effects.cost_model`)."""
    return pd.DataFrame(
        {
            "Data set": cost_model["dataset"],
            "Algorithm": cost_model["algorithm"].map(algorithm_label),
            "Fixed cost of a step (ms)": cost_model["fixed_ms"],
            "Cost per sample (µs)": cost_model["per_sample_us"],
            "Half of a step is fixed at batch size": cost_model["half_batch_size"].replace(
                np.inf, np.nan
            ),
            "R squared": cost_model["r_squared"],
            "Trials": cost_model["n"],
        }
    )


COST_TABLE = ReportTable(
    name="cost_model",
    title="Cost of a training step",
    sources=("cost_model",),
    in_papers=False,
    digest=lambda data: cost_table(data.tables["cost_model"]),
    note="Steady step time = fixed cost + batch size x cost per sample.",
)


def step_against_sample(tested: pd.DataFrame) -> list[str]:
    """Say that large batches are expensive per step and cheap per sample, if so in every pair."""
    batch = tested[tested["hyperparameter"] == "batch_size"]
    step = batch[batch["metric"] == "steady_step_time_ms"]
    sample = batch[batch["metric"] == "steady_sample_time_us"]
    slower = step["median_at_highest"] / step["median_at_lowest"]
    cheaper = sample["median_at_lowest"] / sample["median_at_highest"]
    if step.empty or sample.empty or not ((slower > 1).all() and (cheaper > 1).all()):
        return []
    return [
        "A large batch is expensive per training step but cheap per sample: from batch size "
        f"{span(step['lowest_level'])} to batch size {span(step['highest_level'])} the median step "
        f"takes {span(slower, rough)} times as long, while the median time per sample is divided "
        f"by {span(cheaper, rough)}."
    ]


def cost_model_sentences(cost_model: pd.DataFrame, tested: pd.DataFrame) -> list[str]:
    """Say what a step costs, and what that means for the batch size, where a straight line fits."""
    fitted = cost_model.dropna(subset=["fixed_ms"])
    if fitted.empty:
        return []
    fitting = fitted[fitted["r_squared"] >= FITTING_SHARE]
    if fitting.empty:
        return [
            "In no pair does a fixed cost per step plus a cost per sample explain half of the "
            "variance of steady step time: over this grid it hardly depends on the batch size."
        ]
    sentences = [
        f"In {out_of(len(fitting), len(fitted), 'pair')} a straight line of the batch size explains "
        f"{span(fitting['r_squared'], percent)} of the variance of steady step time: there a step costs "
        f"a fixed {span(fitting['fixed_ms'], rough)} ms plus "
        f"{span(fitting['per_sample_us'], rough)} µs for each sample of its batch."
    ]
    half = fitting["half_batch_size"]
    if half.between(0, float("inf"), inclusive="neither").all():
        # Fixed and variable cost are equal there. So a batch of up to half that size may double
        # at a third more per step, and no batch halves the cost per sample again.
        largest = tested.loc[tested["hyperparameter"] == "batch_size", "highest_level"].max()
        beyond = f" (the largest run was {number(largest)})" if half.max() > largest else ""
        sentences.append(
            "By this line, half of a step is fixed cost at a batch size of about "
            f"{span(half, lambda value: rough(round(value)))}{beyond}. Well below it a larger batch "
            "hardly lengthens a step and so makes each sample cheaper; well above it the time of a step "
            "grows with the batch, and no sample can cost less than half of what it costs there."
        )
    if len(fitting) < len(fitted):
        sentences.append("Elsewhere the line fits too poorly to choose a batch size by.")
    return sentences
