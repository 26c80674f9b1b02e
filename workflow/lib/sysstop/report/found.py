"""Which effects of hyperparameters are worth a sentence or a picture."""

import pandas as pd

from sysstop.report.wording import SIGNIFICANCE_LEVEL
from sysstop.study.metrics import METRIC_BY_NAME

# A hyperparameter that explains less of a metric's variance does not decide it.
SUBSTANTIAL_SHARE = 0.1
# Smaller changes of a metric's median, from a hyperparameter's lowest to its highest value, do not
# count: as a factor, and in percentage points.
NOTICED_FACTOR = 1.02
NOTICED_POINTS = 0.5


def found_effects(effects: pd.DataFrame) -> pd.DataFrame:
    """Return the effects that are certain, explain a substantial share and change the median.

    Readings as exact as those of memory make even irrelevant differences certain.
    """
    certain = effects["p_adjusted"] < SIGNIFICANCE_LEVEL
    substantial = effects["effect_size"] >= SUBSTANTIAL_SHARE
    low, high = effects["median_at_lowest"], effects["median_at_highest"]
    in_points = effects["metric"].map(lambda metric: METRIC_BY_NAME[metric].unit == "%")
    by_factor = (high / low >= NOTICED_FACTOR) | (low / high >= NOTICED_FACTOR)
    by_points = (high - low).abs() >= NOTICED_POINTS
    noticed = by_points.where(in_points.astype(bool), by_factor)
    return effects[certain & substantial & noticed]
