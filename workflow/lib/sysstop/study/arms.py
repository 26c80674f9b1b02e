"""From an arm of the config to its stopping rule, and what may be wrong with an arm."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from sysstop.run.errors import UserError, unknown_name
from sysstop.run.machine import this_machine
from sysstop.run.provenance import for_readers
from sysstop.study.metrics import METRIC_BY_NAME
from sysstop.study.rules import CONSTRAINTS, RULES, Rule, TrialBounds
from sysstop.study.status import Status
from sysstop.study.studies import BASELINE_ARM

if TYPE_CHECKING:
    import pandas as pd

NO_RULE = "none"
CONSTRAINTS_ARM = "constraints"


def with_constraints_arm(config: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the complete config, with an arm that stops on the constraints where there are any.

    Where the user has chosen the arms, as `given` tells, these remain. Nothing of the config has been
    checked yet.
    """
    study, chosen = config.get("study"), given.get("study")
    arms = study.get("arms") if isinstance(study, Mapping) else None
    are_chosen = isinstance(chosen, Mapping) and "arms" in chosen
    if not config.get(CONSTRAINTS) or are_chosen or not isinstance(arms, list):
        return dict(config)
    return {**config, "study": {**study, "arms": [*arms, CONSTRAINTS_ARM]}}


def given_arm(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an arm of the config without the keys that an overlay has set to null."""
    return {key: value for key, value in config["arms"][name].items() if value is not None}


def arm_entry(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return all that an arm's rule is made of: the `given_arm`, and the constraints if it takes them."""
    arm = given_arm(config, name)
    rule = RULES.get(arm["rule"])
    takes_constraints = rule is not None and rule.takes_constraints
    return arm | ({CONSTRAINTS: dict(config[CONSTRAINTS])} if takes_constraints else {})


def needs_baseline(arm: Mapping[str, Any]) -> bool:
    """Return whether the arm's limit is a quantile of the baseline, which must then run first."""
    return "quantile" in arm


def stopped_is_candidate(arm: Mapping[str, Any]) -> bool:
    """Return whether a trial that this arm stopped may still be chosen as the best."""
    return arm["rule"] != NO_RULE and RULES[arm["rule"]].stopped_is_candidate


@for_readers
def arm_kind(arm: Mapping[str, Any]) -> Literal["none", "system", "quality", "both"]:
    """Return what an arm's rules watch: system metrics, the quality of models, both or nothing."""
    kinds = {"quality" if _watches_quality(name) else "system" for name in _rule_names(arm)}
    return "both" if len(kinds) > 1 else kinds.pop() if kinds else "none"


@for_readers
def _watches_quality(rule: str) -> bool:
    # All metrics that a rule can watch are of one kind; constraints are no metric, but limits on some.
    metric = METRIC_BY_NAME.get(RULES[rule].watched_metrics()[0])
    return metric is not None and metric.kind == "quality"


@for_readers
def _rule_names(arm: Mapping[str, Any]) -> list[str]:
    """Return the names of an arm's rules, none for the baseline's."""
    names = [entry["rule"] for entry in arm.get("rules", [arm])]
    return [name for name in names if name != NO_RULE]


def make_rule(arm: Mapping[str, Any], baseline_trials: "pd.DataFrame | None" = None) -> Rule | None:
    """Return the arm's rule, or None for the baseline arm.

    A quantile is taken over the completed trials of `baseline_trials` (one row per trial, the same
    data set, algorithm and repetition). Raises `UserError` when none of them completed.
    """
    if not needs_baseline(arm):
        return rule_with_limit(arm)
    metric = rule_with_limit(arm, math.inf).metric
    values = baseline_trials.loc[baseline_trials["status"] == Status.COMPLETED, metric]
    if values.empty:
        raise UserError(
            f"arms: the {arm['quantile']} quantile of {metric} cannot be taken, because no trial of "
            "the baseline arm completed. Use smaller learning rates, or give the arm an absolute "
            "`limit`."
        )
    return rule_with_limit(arm, float(values.quantile(arm["quantile"])))


def rule_with_limit(arm: Mapping[str, Any], limit: float = math.nan) -> Rule | None:
    """Return the arm's rule, or None for the baseline arm.

    `limit` is the number that the arm's quantile became, as recorded in the table of trials. If it
    is NaN, the arm's own limit is used, if its rule has one.
    """
    if arm["rule"] == NO_RULE:
        return None
    parameters = {key: value for key, value in arm.items() if key not in ("rule", "quantile")}
    if not math.isnan(limit):
        parameters["limit"] = limit
    return RULES[arm["rule"]].with_parameters(parameters)


def arm_mistakes(
    name: str,
    arm: Mapping[str, Any],
    constraints: Mapping[str, float],
    budget: Mapping[str, Any],
    here: bool,
) -> Iterator[str]:
    """Yield what is wrong with a `given_arm`; `here` says whether its trials run on this machine."""
    key, rule = f"arms.{name}", arm["rule"]
    parameters = {parameter: value for parameter, value in arm.items() if parameter != "rule"}
    if name == BASELINE_ARM and rule != NO_RULE:
        yield f"{key}.rule: found '{rule}'; this arm is the full-budget baseline, write `rule: none`"
        return
    if rule == NO_RULE:
        for parameter in parameters:
            yield f"{key}.{parameter}: the rule `none` has no parameters; remove the key"
        return
    if rule not in RULES:
        yield unknown_name(f"rule '{rule}' in {key}.rule", rule, [NO_RULE, *RULES])
    else:
        bounds = TrialBounds(
            windows=math.ceil(budget["steps"] / budget["window_steps"]),
            window_steps=budget["window_steps"],
            seconds=budget["seconds"],
            memory_mb=this_machine().memory_mb if here else None,
        )
        yield from RULES[rule].mistakes(key, parameters, bounds)
        if RULES[rule].takes_constraints and not constraints:
            yield (
                f"{key}: the rule '{rule}' stops a trial that breaks one of `{CONSTRAINTS}`, and the "
                f"config names none; add some, as in `{CONSTRAINTS}: {{memory_peak_mb: 512}}`, or leave "
                "the arm out of study.arms"
            )
