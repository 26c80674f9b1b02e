"""From an arm of the config to its stopping rule."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sysstop.errors import UserError
from sysstop.stopping import RULES, Rule

if TYPE_CHECKING:
    import pandas as pd

NO_RULE = "none"


def arm_entry(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an arm of the config without the keys that an overlay has set to null."""
    return {key: value for key, value in config["arms"][name].items() if value is not None}


def needs_baseline(arm: Mapping[str, Any]) -> bool:
    """Tell whether the arm's limit is a quantile of the baseline arm, which then must run first."""
    return "quantile" in arm


def stopped_is_candidate(arm: Mapping[str, Any]) -> bool:
    """Tell whether a trial that this arm stopped may still be chosen as the best."""
    return arm["rule"] != NO_RULE and RULES[arm["rule"]].stopped_is_candidate


def make_rule(arm: Mapping[str, Any], baseline_trials: "pd.DataFrame | None") -> Rule | None:
    """Return the arm's rule, or None for the baseline arm.

    A quantile is taken over the completed trials of `baseline_trials` (one row per trial, the same
    data set, algorithm and repetition). Raises `UserError` when none of them completed.
    """
    if arm["rule"] == NO_RULE:
        return None
    rule_class = RULES[arm["rule"]]
    parameters = {key: value for key, value in arm.items() if key not in ("rule", "quantile")}
    if needs_baseline(arm):
        metric = parameters.get("metric", getattr(rule_class, "metric", None))
        values = baseline_trials.loc[baseline_trials["status"] == "completed", metric]
        if values.empty:
            raise UserError(
                f"arms: the {arm['quantile']} quantile of {metric} cannot be taken, because no trial "
                "of the baseline arm completed. Use smaller learning rates, or give the arm an "
                "absolute `limit`."
            )
        parameters["limit"] = float(values.quantile(arm["quantile"]))
    return rule_class(**parameters)


def rule_parameters(rule: str) -> dict[str, bool]:
    """Return the parameters of a rule and whether each must be given."""
    return {
        field.name: field.default is dataclasses.MISSING
        for field in dataclasses.fields(RULES[rule])
    }
