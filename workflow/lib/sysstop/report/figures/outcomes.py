"""What became of the baseline's best trial in a study, and how each outcome is marked."""

import pandas as pd
from matplotlib.lines import Line2D

KEPT, STOPPED, NONE_LEFT = "best trial kept", "best trial stopped", "no model left"


def outcome_of(study: pd.Series) -> str:
    """Return the outcome of a study, a row of the budget table."""
    if pd.isna(study["regret"]):
        return NONE_LEFT
    return STOPPED if study["winner_stopped"] else KEPT


def outcome_handles(studies: pd.DataFrame) -> dict[str, Line2D]:
    """Return the entries in a legend of the outcomes that these studies have."""
    outcomes = {outcome_of(study) for _, study in studies.iterrows()}
    grey = {"linestyle": "none", "color": "0.3", "markersize": 6}
    return {
        text: Line2D([], [], **grey, **outcome_marker(text, "0.3", "o"))
        for text in sorted(outcomes)
    }


def outcome_marker(outcome: str, colour: str, marker: str) -> dict[str, object]:
    """Return how to mark an outcome, given the colour and the marker of the study's arm."""
    return {
        KEPT: {"marker": marker, "markerfacecolor": colour},
        STOPPED: {"marker": marker, "markerfacecolor": "white"},
        NONE_LEFT: {"marker": "x", "markeredgewidth": 2},
    }[outcome]
