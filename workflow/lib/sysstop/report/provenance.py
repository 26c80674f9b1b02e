"""Where results come from: the machines and their software, and the origin of the data."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sysstop.report.subject import Subject
from sysstop.report.text_tables import ReportTable, display
from sysstop.report.wording import spoken


def environment_table(environment: pd.DataFrame) -> pd.DataFrame:
    """Return the environments side by side, a row per property."""
    by_property = display(environment).T
    by_property.columns = [
        "Value" if len(environment) == 1 else f"Environment {at + 1}"
        for at in range(len(environment))
    ]
    by_property.insert(0, "Property", [spoken(name) for name in by_property.index])
    return by_property


def origin_table(provenance: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return where each data set came from, its checksum, when it was fetched and its licence."""
    columns = {
        "dataset": "Data set",
        "source": "Source",
        "sha256": "SHA-256",
        "fetched_at": "Fetched",
        "licence": "Licence",
    }
    return pd.DataFrame(provenance, columns=list(columns)).rename(columns=columns)


ENVIRONMENT_TABLE = ReportTable(
    name="environment",
    title="Environment",
    sources=("environment",),
    in_papers=False,
    digest=lambda data: environment_table(data.tables["environment"]),
)
ORIGIN_TABLE = ReportTable(
    name="origin",
    title="Origin of the data",
    in_papers=False,
    digest=lambda data: origin_table(data.provenance),
)


PROVENANCE = Subject(name="provenance", tables=(ENVIRONMENT_TABLE, ORIGIN_TABLE))
