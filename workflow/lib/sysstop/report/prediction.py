"""How early a trial's final values can be predicted, and what stopping on that saves."""

import pandas as pd

from sysstop.report.subject import Answer, Subject
from sysstop.report.text_tables import ReportTable, whole_percents
from sysstop.report.wording import MISSING, counted, in_words, metric_label, out_of, percent, tenths
from sysstop.study.metrics import METRIC_BY_NAME, steady_system_metrics


def prediction_digest(prediction: pd.DataFrame) -> pd.DataFrame:
    """Return a row per metric: the error of its prediction after so many windows.

    A cell has the median and, in brackets, the 90 % quantile of the trials' errors in percent, both
    as medians over data sets and algorithms.
    """
    errors = prediction.groupby(["metric", "windows_seen"], sort=False)[
        ["median_error", "error_90"]
    ]
    texts = {
        point: f"{tenths(100 * error['median_error'])} ({tenths(100 * error['error_90'])})"
        for point, error in errors.median().iterrows()
    }
    seen = sorted(prediction["windows_seen"].unique())
    rows = []
    for metric in prediction["metric"].unique():
        windows = {
            f"After {count} window{'s' if count > 1 else ''} (%)": texts.get(
                (metric, count), MISSING
            )
            for count in seen
        }
        rows.append({"Metric": METRIC_BY_NAME[metric].label, **windows})
    return pd.DataFrame(rows)


PREDICTION_TABLE = ReportTable(
    name="prediction",
    title="Error of the prediction",
    sources=("prediction",),
    digest=lambda data: prediction_digest(data.tables["prediction"]),
    note=(
        "The error of the predicted final value: the median over the trials and, in brackets, what "
        "90 % of them stay within; both as medians over data sets and algorithms. Training time "
        "is extrapolated, the other metrics are predicted to stay what they have been."
    ),
)


def prediction_saving_digest(saving: pd.DataFrame) -> pd.DataFrame:
    """Return a row per limit: what stopping on the predicted training time saves (medians)."""
    by_limit = saving.groupby("limit_quantile")
    medians = by_limit[["saved_on_value", "saved_on_prediction"]].median()
    sums = by_limit[["wrongly_stopped", "within_limit"]].sum()
    return pd.DataFrame(
        {
            "Trials within the limit (%)": 100 * medians.index,
            "Saved by stopping on the time itself (%)": whole_percents(medians["saved_on_value"]),
            "Saved by stopping on its prediction (%)": whole_percents(
                medians["saved_on_prediction"]
            ),
            "Of the trials within, stopped wrongly (%)": (
                100 * sums["wrongly_stopped"] / sums["within_limit"]
            ).round(1),
        }
    ).reset_index(drop=True)


PREDICTION_SAVING_TABLE = ReportTable(
    name="prediction_saving",
    title="Stopping on the predicted training time",
    sources=("prediction_saving",),
    digest=lambda data: prediction_saving_digest(data.tables["prediction_saving"]),
    note="Medians over the studies, in replay. Times are steady.",
)


def predictions(prediction: pd.DataFrame, saving: pd.DataFrame) -> Answer:
    """Say how well early windows predict the final values, and what stopping on that saves.

    Of times, what is said is about the steady ones.
    """
    prediction = prediction[prediction["metric"].isin(steady_system_metrics())]
    if prediction.empty:
        return Answer("")
    first = prediction["windows_seen"].min()
    at_first = prediction[prediction["windows_seen"] == first]
    errors = at_first.groupby("metric", sort=False)["median_error"].median()
    of_metrics = [
        f"{metric_label(metric)} within {percent(error)}" for metric, error in errors.items()
    ]
    seen = counted(int(first), "window")
    time_error = percent(errors.get("steady_train_time_s", errors.max()))
    claim = f"After {seen}, half of the trials' final training times are known within {time_error}."
    sentences = [
        f"After {seen}, half of the trials' final values are predicted thus: {in_words(of_metrics)}."
    ]
    if len(saving):
        wrong = saving["wrongly_stopped"].sum() / saving["within_limit"].sum()
        better = int((saving["saved_on_prediction"] > saving["saved_on_value"]).sum())
        sentences.append(
            "Stopping on the predicted training time saves more than stopping on the time itself in "
            f"{out_of(better, len(saving), 'comparison')}. But it stops {percent(wrong)} of the trials "
            "that would have kept their limit."
        )
    return Answer(" ".join(sentences), claim=claim)


PREDICTION = Subject(
    name="prediction",
    title="How early a trial's cost can be predicted",
    tables=(PREDICTION_TABLE, PREDICTION_SAVING_TABLE),
    question="RQ2",
    answer=lambda data: predictions(data.tables["prediction"], data.tables["prediction_saving"]),
)
