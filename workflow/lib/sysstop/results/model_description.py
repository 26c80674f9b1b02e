"""What is to be said of a model that was stored, or why there is none: model.json in its folder."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

DESCRIPTION = "model.json"


def write_description(folder: Path, description: Mapping[str, Any]) -> None:
    """Write a description; a number that is missing or infinite becomes null."""
    text = json.dumps(_plain(description), indent=2, allow_nan=False)
    (folder / DESCRIPTION).write_text(f"{text}\n", encoding="utf-8")


def read_description(folder: Path) -> dict[str, Any]:
    """Return a description that was written."""
    return json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
