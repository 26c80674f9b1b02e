"""The subjects of the report in its order, and their tables."""

from collections.abc import Iterable

from sysstop.report.anytime import ANYTIME
from sysstop.report.arms import ARMS
from sysstop.report.budget import BUDGET
from sysstop.report.cost import COST
from sysstop.report.effects import EFFECTS
from sysstop.report.hosts import HOSTS
from sysstop.report.limitations import GRID_AND_TRIALS
from sysstop.report.noise import NOISE
from sysstop.report.prediction import PREDICTION
from sysstop.report.provenance import PROVENANCE
from sysstop.report.recommendation import ADVICE_TABLE, RECOMMENDATION
from sysstop.report.replay import REPLAY
from sysstop.report.replay_check import REPLAY_CHECK
from sysstop.report.study import STUDY
from sysstop.report.subject import Subject
from sysstop.report.text_tables import ReportTable

STUDIED = (STUDY, ARMS)
EVIDENCE = (
    EFFECTS,
    COST,
    BUDGET,
    ANYTIME,
    NOISE,
    REPLAY,
    REPLAY_CHECK,
    PREDICTION,
    RECOMMENDATION,
)
SUBJECTS = (*STUDIED, *EVIDENCE, GRID_AND_TRIALS, HOSTS, PROVENANCE)
# Those that stand in the last fold of the page.
BACKGROUND = (HOSTS, PROVENANCE)


def tables_of(subjects: Iterable[Subject]) -> list[ReportTable]:
    """Return the tables of these subjects, in their order."""
    return [table for subject in subjects for table in subject.tables]


def sources_of(tables: Iterable[ReportTable]) -> list[str]:
    """Return which tables of results/tables these tables are made from."""
    return sorted({source for table in tables for source in table.sources})


PAPER_TABLES = [table for table in tables_of(SUBJECTS) if table.in_papers]
"""The tables that are written for LaTeX documents too, each as `<name>.tex`."""

PAPER_SOURCES = sources_of(PAPER_TABLES)
# The page's sentences need the trials too, and its explorer the replay with its signals.
PAGE_SOURCES = sorted(
    {"trials", "replay", "signals", *sources_of([ADVICE_TABLE, *tables_of(SUBJECTS)])}
)
