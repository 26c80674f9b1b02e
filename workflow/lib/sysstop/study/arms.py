"""From an arm of the config to its stopping rule, and what may be wrong with an arm."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import psutil

from sysstop.run.errors import UserError, unknown_name
from sysstop.study.metrics import METRIC_BY_NAME, limitable_metrics
from sysstop.study.rules import RULES, Rule
from sysstop.study.studies import BASELINE_ARM

if TYPE_CHECKING:
    import pandas as pd

NO_RULE = "none"
FALLING_METRICS = ("val_loss", "train_loss", "rmse")


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


def _rule_parameters(rule: str) -> dict[str, bool]:
    """Return the parameters of a rule and whether each must be given."""
    return {
        field.name: field.default is dataclasses.MISSING
        for field in dataclasses.fields(RULES[rule])
    }


def arm_mistakes(
    name: str, arm: Mapping[str, Any], budget: Mapping[str, Any], here: bool
) -> Iterator[str]:
    """Tell what is wrong with an arm; `here` says that its trials run on this machine."""
    key, rule = f"arms.{name}", arm["rule"]
    if name == BASELINE_ARM and rule != NO_RULE:
        yield f"{key}.rule: found '{rule}'; this arm is the full-budget baseline, write `rule: none`"
        return
    if rule == NO_RULE:
        for parameter in set(arm) - {"rule"}:
            yield f"{key}.{parameter}: the rule `none` has no parameters; remove the key"
        return
    if rule not in RULES:
        yield unknown_name(f"rule '{rule}' in {key}.rule", rule, [NO_RULE, *RULES])
        return
    parameters = _rule_parameters(rule)
    takes_limit = "limit" in parameters
    allowed = [*parameters, *(["quantile"] if takes_limit else [])]
    mistakes = [
        unknown_name(f"key {key}.{parameter}", parameter, allowed)
        for parameter in arm
        if parameter not in ("rule", *allowed)
    ]
    mistakes += [
        f"{key}.{parameter}: missing; the rule '{rule}' needs it"
        for parameter, required in parameters.items()
        if required and parameter != "limit" and parameter not in arm
    ]
    mistakes += [
        f"{key}.{parameter}: found {arm[parameter]!r}, a number is needed"
        for parameter in set(arm) - {"rule", "metric"}
        if isinstance(arm[parameter], bool) or not isinstance(arm[parameter], int | float)
    ]
    if takes_limit and ("limit" in arm) == ("quantile" in arm):
        mistakes.append(
            f"{key}: give either `limit` (an absolute number) or `quantile` (of the baseline arm)"
        )
    mistakes += _metric_mistakes(key, arm)
    yield from mistakes or _never_fires(key, arm, budget, here)


def _metric_mistakes(key: str, arm: Mapping[str, Any]) -> Iterator[str]:
    if "metric" not in arm:
        return
    allowed = FALLING_METRICS if arm["rule"] == "plateau" else limitable_metrics()
    if not isinstance(arm["metric"], str) or arm["metric"] not in METRIC_BY_NAME:
        yield unknown_name(f"metric '{arm['metric']}' in {key}.metric", str(arm["metric"]), allowed)
    elif arm["metric"] not in allowed:
        yield (
            f"{key}.metric: the rule '{arm['rule']}' cannot watch '{arm['metric']}'; "
            f"it can watch {', '.join(allowed)}"
        )


def _never_fires(
    key: str, arm: Mapping[str, Any], budget: Mapping[str, Any], here: bool
) -> Iterator[str]:
    windows = math.ceil(budget["steps"] / budget["window_steps"])
    grace = arm.get("grace_windows", 0)
    metric, limit = arm.get("metric"), arm.get("limit")
    if grace < 0 or grace != int(grace):
        yield f"{key}.grace_windows: found {grace}; a whole number from 0 is needed"
    if windows - 1 <= grace:
        yield (
            f"{key}: the rule can never stop a trial: the budget has {windows} window(s) of "
            f"{budget['window_steps']} steps and the rule is asked between the first {grace} and the "
            "last; raise budget.steps, or lower budget.window_steps or grace_windows"
        )
    if not 0 < arm.get("quantile", 0.5) < 1:
        yield f"{key}.quantile: found {arm['quantile']}; a number between 0 and 1 is needed"
    if arm.get("min_improvement", 0) < 0:
        yield f"{key}.min_improvement: found {arm['min_improvement']}; it cannot be negative"
    if "patience" in arm and not 0 <= arm["patience"] < windows - 2:
        yield (
            f"{key}.patience: found {arm['patience']}; with the budget's {windows} windows it must be "
            f"at least 0 and below {windows - 2}, or it can never be exceeded before the last window; "
            "change it, or raise budget.steps"
        )
    if limit is None:
        return
    if not math.isfinite(limit) or limit <= 0:
        yield f"{key}.limit: found {limit}; a positive number is needed"
    total_mb = psutil.virtual_memory().total / 2**20
    if here and metric in ("memory_mb", "memory_peak_mb") and limit > total_mb:
        yield (
            f"{key}.limit: {limit} MB can never be exceeded on this machine, which has "
            f"{total_mb:.0f} MB; use less"
        )
    if metric == "cpu_percent" and limit >= 100:
        yield f"{key}.limit: {limit} % can never be exceeded: a trial runs on one core; use less than 100"
    if metric == "train_time_s" and limit >= (budget["seconds"] or math.inf):
        yield (
            f"{key}.limit: {limit} s can never be exceeded, because budget.seconds ends trials at "
            f"{budget['seconds']} s; use less"
        )
