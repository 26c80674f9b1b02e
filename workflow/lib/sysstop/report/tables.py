"""All tables of the report, in its order: the page shows them, LaTeX documents take most of them."""

from collections.abc import Iterable

from sysstop.report.arms import ARM_LIMITS_TABLE, ARMS_TABLE
from sysstop.report.budget import BUDGET_TABLE
from sysstop.report.cost import COST_TABLE
from sysstop.report.effects import EFFECTS_TABLE
from sysstop.report.hosts import HOSTS_TABLE
from sysstop.report.noise import NOISE_TABLE
from sysstop.report.prediction import PREDICTION_SAVING_TABLE, PREDICTION_TABLE
from sysstop.report.provenance import ENVIRONMENT_TABLE, ORIGIN_TABLE
from sysstop.report.recommendation import RECOMMENDATIONS_TABLE
from sysstop.report.replay import REPLAY_TABLE
from sysstop.report.replay_check import REPLAY_CHECK_TABLE
from sysstop.report.study import ALGORITHMS_TABLE, DATASETS_TABLE, METRICS_TABLE
from sysstop.report.text_tables import ReportTable

RESULT_TABLES = (
    BUDGET_TABLE,
    ARM_LIMITS_TABLE,
    NOISE_TABLE,
    EFFECTS_TABLE,
    COST_TABLE,
    REPLAY_TABLE,
    REPLAY_CHECK_TABLE,
    PREDICTION_TABLE,
    PREDICTION_SAVING_TABLE,
    RECOMMENDATIONS_TABLE,
    HOSTS_TABLE,
)
STUDY_TABLES = (DATASETS_TABLE, ALGORITHMS_TABLE, ARMS_TABLE, METRICS_TABLE)
PROVENANCE_TABLES = (ENVIRONMENT_TABLE, ORIGIN_TABLE)

PAPER_TABLES = tuple(
    table for table in (*STUDY_TABLES, *RESULT_TABLES, *PROVENANCE_TABLES) if table.in_papers
)
"""The tables that are written for LaTeX documents too, each as `<name>.tex`."""


def sources_of(tables: Iterable[ReportTable]) -> list[str]:
    """Return which tables of results/tables these tables are made from."""
    return sorted({source for table in tables for source in table.sources})


PAPER_SOURCES = sources_of(PAPER_TABLES)
# The page's sentences need the trials too, and its explorer the replay with its signals.
PAGE_SOURCES = sorted(
    {
        "trials",
        "replay",
        "signals",
        *sources_of((*RESULT_TABLES, *STUDY_TABLES, *PROVENANCE_TABLES)),
    }
)
