"""From an arm of the config to its stopping rule, and what may be wrong with an arm."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from sysstop.run.errors import UserError, unknown_name
from sysstop.run.machine import this_machine
from sysstop.run.provenance import for_readers
from sysstop.study.metrics import METRIC_BY_NAME
from sysstop.study.rules import (
    CONSTRAINTS,
    RULES,
    ArmRule,
    ComparingRule,
    FirstOf,
    Rule,
    TrialBounds,
)
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
    """Return an arm of the config without the keys that are null, as an overlay may set them."""
    arm = _without_null(config["arms"][name])
    return arm | ({"rules": [*map(_without_null, arm["rules"])]} if "rules" in arm else {})


def _without_null(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value is not None}


def arm_rules(arm: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the entries of an arm's rules: none for a baseline, several where it has `rules`."""
    if "rules" in arm:
        return list(arm["rules"])
    return [] if arm["rule"] == NO_RULE else [arm]


def arm_entry(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return all that an arm's rule is made of: the `given_arm`, and the constraints where it takes them.

    One rule in a list is that rule.
    """
    arm = given_arm(config, name)
    entries = [_with_constraints(config, entry) for entry in arm.get("rules", [arm])]
    return {"rules": entries} if len(entries) > 1 else entries[0]


def _with_constraints(config: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    rule = RULES.get(entry["rule"])
    takes_constraints = rule is not None and rule.takes_constraints
    return {**entry, **({CONSTRAINTS: dict(config[CONSTRAINTS])} if takes_constraints else {})}


def needs_baseline(arm: Mapping[str, Any]) -> bool:
    """Return whether a limit of the arm is a quantile of the baseline, which must then run first."""
    return any("quantile" in entry for entry in arm_rules(arm))


def candidate_after(arm: Mapping[str, Any]) -> dict[str, bool]:
    """Return whether a trial may still be chosen as the best, by the name of the rule that stopped it."""
    return {entry["rule"]: RULES[entry["rule"]].stopped_is_candidate for entry in arm_rules(arm)}


@for_readers
def arm_kind(arm: Mapping[str, Any]) -> Literal["none", "system", "quality", "both"]:
    """Return what an arm's rules watch: system metrics, the quality of models, both or nothing."""
    kinds = {_rule_kind(entry["rule"]) for entry in arm_rules(arm)}
    return "both" if len(kinds) > 1 else kinds.pop() if kinds else "none"


@for_readers
def _rule_kind(rule: str) -> Literal["system", "quality"]:
    # All metrics that a rule can watch are of one kind; constraints are no metric, but limits on some.
    metric = METRIC_BY_NAME.get(RULES[rule].watched_metrics()[0])
    return "quality" if metric is not None and metric.kind == "quality" else "system"


def make_rule(
    arm: Mapping[str, Any], baseline_trials: "pd.DataFrame | None" = None
) -> ArmRule | None:
    """Return the arm's rule, or None for the baseline arm.

    A quantile is taken over the completed trials of `baseline_trials` (one row per trial, the same
    data set, algorithm and repetition), and the metric's resolution added. Raises `UserError` when none of them completed.
    """
    rules = [_make_part(entry, baseline_trials) for entry in arm_rules(arm)]
    if len(rules) > 1:
        return FirstOf(rules)
    return rules[0] if rules else None


def _make_part(entry: Mapping[str, Any], baseline_trials: "pd.DataFrame | None") -> Rule:
    if "quantile" not in entry:
        return rule_with_limit(entry)
    metric = rule_with_limit(entry, math.inf).metric
    values = baseline_trials.loc[baseline_trials["status"] == Status.COMPLETED, metric]
    if values.empty:
        raise UserError(
            f"arms: the {entry['quantile']} quantile of {metric} cannot be taken, because no trial of "
            "the baseline arm completed. Use smaller learning rates, or give the arm an absolute "
            "`limit`."
        )
    resolution = METRIC_BY_NAME[metric].resolution
    return rule_with_limit(entry, float(values.quantile(entry["quantile"])) + resolution)


def rule_with_limit(entry: Mapping[str, Any], limit: float = math.nan) -> Rule:
    """Return the rule of an entry of `arm_rules`.

    `limit` is the number that its quantile became, as recorded in the table of trials. If it is NaN,
    the entry's own limit is used, if its rule has one.
    """
    parameters = {key: value for key, value in entry.items() if key not in ("rule", "quantile")}
    if not math.isnan(limit):
        parameters["limit"] = limit
    return RULES[entry["rule"]].with_parameters(parameters)


def arm_mistakes(
    name: str,
    arm: Mapping[str, Any],
    constraints: Mapping[str, float],
    budget: Mapping[str, Any],
    here: bool,
) -> Iterator[str]:
    """Yield what is wrong with a `given_arm`; `here` says whether its trials run on this machine."""
    key, bounds = f"arms.{name}", _bounds(budget, here)
    if name == BASELINE_ARM and arm.get("rule") != NO_RULE:
        found = (
            f"{key}.rule: found '{arm['rule']}'" if "rule" in arm else f"{key}.rules: found rules"
        )
        yield f"{found}; this arm is the full-budget baseline, write `rule: none`"
    elif "rules" in arm:
        mistakes = [
            mistake
            for place, entry in enumerate(arm["rules"])
            for mistake in _rule_mistakes(f"{key}.rules.{place}", entry, constraints, bounds, RULES)
        ]
        yield from mistakes or _contradictions(f"{key}.rules", arm["rules"])
    elif arm["rule"] == NO_RULE:
        for parameter in arm.keys() - {"rule"}:
            yield f"{key}.{parameter}: the rule `none` has no parameters; remove the key"
    else:
        yield from _rule_mistakes(key, arm, constraints, bounds, [NO_RULE, *RULES])


def _bounds(budget: Mapping[str, Any], here: bool) -> TrialBounds:
    return TrialBounds(
        windows=math.ceil(budget["steps"] / budget["window_steps"]),
        window_steps=budget["window_steps"],
        seconds=budget["seconds"],
        memory_mb=this_machine().memory_mb if here else None,
    )


def _rule_mistakes(
    key: str,
    entry: Mapping[str, Any],
    constraints: Mapping[str, float],
    bounds: TrialBounds,
    allowed: Collection[str],
) -> Iterator[str]:
    rule = entry["rule"]
    if rule not in RULES:
        yield unknown_name(f"rule '{rule}' in {key}.rule", rule, allowed)
        return
    parameters = {parameter: value for parameter, value in entry.items() if parameter != "rule"}
    yield from RULES[rule].mistakes(key, parameters, bounds)
    if RULES[rule].takes_constraints and not constraints:
        yield (
            f"{key}: the rule '{rule}' stops a trial that breaks one of `{CONSTRAINTS}`, and the "
            f"config names none; add some, as in `{CONSTRAINTS}: {{memory_peak_mb: 512}}`, or leave "
            "the arm out of study.arms"
        )


def _contradictions(key: str, entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield which rules of an arm, each of them sound, cannot stand side by side."""
    watched = [
        (entry["rule"], entry.get("metric") or RULES[entry["rule"]].watched_metrics()[0])
        for entry in entries
    ]
    for rule, metric in {pair: None for pair in watched if watched.count(pair) > 1}:
        yield f"{key}: has the rule '{rule}' on {metric} more than once; keep the one that you mean"
    comparing = {rule for rule, _ in watched if issubclass(RULES[rule], ComparingRule)}
    if len(comparing) > 1:
        yield (
            f"{key}: {' and '.join(sorted(comparing))} both compare trials; an arm has one such rule "
            "at most, and any number that look at one trial; make two arms of it"
        )
