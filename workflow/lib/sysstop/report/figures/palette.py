"""The colours of figures and explorer, apart from what draws figures and takes a second to load."""

PALETTE = (
    "#0173b2",
    "#de8f05",
    "#029e73",
    "#d55e00",
    "#cc78bc",
    "#ca9161",
    "#56b4e9",
    "#949494",
    "#fbafe4",
    "#ece133",
)
"""Told apart by colour-blind readers too: seaborn's "colorblind" with its pale colours last, written out
to load no seaborn."""
