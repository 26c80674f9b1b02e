"""Ask a rule about one trial, or about all windows of many trials at once."""

from collections.abc import Mapping, Sequence

import numpy as np

from sysstop.study.rules.base import NOT_ASKED, Curves, TrialRule
from sysstop.study.rules.first_of import ArmRule
from sysstop.study.status import Stop


def effective_signals(
    rule: TrialRule, curves: Curves, steps_planned: np.ndarray | int
) -> np.ndarray:
    """Return a rule's signals after each window, minus infinity where they can stop nothing.

    A rule is not asked in its first `grace_windows` windows, nor once the planned steps are done. A
    signal that is NaN never stops a trial.
    """
    signals = np.array(rule.signals(curves, steps_planned), dtype=float)
    # False where a trial is done, and where it had ended before (its step is NaN).
    goes_on = curves["step"] < np.expand_dims(steps_planned, -1)
    signals[~goes_on | np.isnan(signals)] = NOT_ASKED
    signals[..., : rule.grace_windows] = NOT_ASKED
    return signals


def decide(
    rule: ArmRule | None, windows: Sequence[Mapping[str, float]], steps_planned: int
) -> Stop | None:
    """Ask the parts of a rule that look at one trial whether it is to stop after these windows.

    A window has its `step` and its metrics by name.
    """
    for part in rule.parts if rule else ():
        if not isinstance(part, TrialRule):
            continue
        curves = {
            name: np.array([window[name] for window in windows], dtype=float)
            for name in ("step", *part.metrics)
        }
        signal = float(effective_signals(part, curves, steps_planned)[-1])
        if signal > part.limit:
            return part.stop(curves, signal)
    return None
