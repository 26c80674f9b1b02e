"""How far live searches and their replay agree."""

import pandas as pd

from sysstop.report.subject import Answer, Subject
from sysstop.report.text_tables import ReportTable
from sysstop.report.wording import arm_order, counted, in_words, out_of, percent, span
from sysstop.study.rules import RULES, ComparingRule


def replay_check_digest(check: pd.DataFrame) -> pd.DataFrame:
    """Return a row per arm that compares its live searches with their replay (`replay_check`)."""
    rows = []
    for arm in arm_order(check["arm"]):
        of_arm = check[check["arm"] == arm]
        trials = of_arm["trials"].sum()
        rows.append(
            {
                "Arm": arm,
                "Trials": int(trials),
                "Stopped alike (%)": 100 * of_arm["trials_agreeing"].sum() / trials,
                "Not alike, near the limit (%)": 100 * of_arm["trials_near_limit"].sum() / trials,
                "Not alike, by order of events (%)": 100
                * of_arm["trials_in_other_order"].sum()
                / trials,
                "Not alike, beyond noise (%)": 100 * of_arm["trials_beyond_noise"].sum() / trials,
                "Steps saved live (%)": 100 * of_arm["live_saved_steps_fraction"].median(),
                "Steps saved in replay (%)": 100 * of_arm["replayed_saved_steps_fraction"].median(),
                "Steady time saved live (%)": 100 * of_arm["live_saved_time_fraction"].median(),
                "Steady time saved in replay (%)": 100
                * of_arm["replayed_saved_time_fraction"].median(),
                "Studies within the noise floor": f"{of_arm['within_noise_floor'].sum()} of "
                f"{len(of_arm)}",
            }
        )
    return pd.DataFrame(rows)


REPLAY_CHECK_TABLE = ReportTable(
    name="replay_check",
    title="Live searches against their replay",
    sources=("replay_check",),
    digest=lambda data: replay_check_digest(data.tables["replay_check"]),
    note=(
        "Trials are stopped alike if live search and replay stop them after the same window, or "
        "neither does. Near the limit: the reading is within its own noise of it, as close as "
        "95 % of two readings of one window of one trial are to each other. By order of events: a rule "
        "that compares trials stops others if they come to a window in another order, and in an order "
        "that the noise of their times can make the replay ends the trial as the live search did. "
        "Savings are medians over the studies."
    ),
)


def live_check(check: pd.DataFrame) -> str:
    """Say how well live searches and their replay agree, and why they differ (`replay_check`)."""
    check = check[check["trials"] > 0]
    if check.empty:
        return ""
    trials = int(check["trials"].sum())
    alike = check["trials_agreeing"].sum() / trials
    within = int(check["within_noise_floor"].sum())
    sentences = [
        f"Live search and replay agree on {percent(alike)} of {counted(trials, 'trial')}: both "
        "stopped them after the same window, or neither did."
    ]
    differing = [
        f"{arm} {percent(1 - of_arm['trials_agreeing'].sum() / of_arm['trials'].sum())}"
        for arm in arm_order(check["arm"])
        if (of_arm := check[check["arm"] == arm])["trials_agreeing"].sum() < of_arm["trials"].sum()
    ]
    if differing:
        apart = check[check["trials_agreeing"] < check["trials"]]
        compares = apart["rule"].isin(
            [name for name, rule in RULES.items() if issubclass(rule, ComparingRule)]
        )
        why = _why_alone(apart[~compares])
        sentences.append(
            f"The shares on which they differ are, by arm, {in_words(differing)}{why}."
        )
        sentences += _why_compared(apart[compares])
    steps = (check["live_saved_steps_fraction"] - check["replayed_saved_steps_fraction"]).abs()
    sentences.append(
        f"The shares of steps saved differ by {percent(steps.median())} in the median study and "
        f"{percent(steps.max())} at most; the savings of steady time differ by less than the noise floor in "
        f"{out_of(within, len(check), 'study', 'studies')}."
    )
    waits = check["rule_wait_fraction"].dropna()
    if len(waits):
        sentences.append(
            "A trial waits for the verdict of a rule that compares it with others, which is part of the "
            f"overhead: {span(waits, percent)} of the time in which trials trained and were evaluated."
        )
    return " ".join(sentences)


def _why_alone(apart: pd.DataFrame) -> str:
    """Say why live and replay differ in these studies, whose rule looks at one trial."""
    if apart.empty:
        return ""
    near = out_of(int(apart["trials_near_limit"].sum()), _differing(apart), "such trial")
    return (
        f"; in {near} the reading is within its own noise of the limit, so chance "
        f"decides{_noise_clause(apart)}"
    )


def _why_compared(apart: pd.DataFrame) -> list[str]:
    """Say why live and replay differ in these studies, whose rule compares trials."""
    if apart.empty:
        return []
    by_order = out_of(int(apart["trials_in_other_order"].sum()), _differing(apart), "trial")
    return [
        "A rule that compares trials judges one by those that came before it. Of the trials that it "
        f"ends otherwise, {by_order} may end as in the live search once the noise of the trials' times "
        "changes that order; and the replay's clock leaves out the start of trials and the waiting for "
        "verdicts."
    ]


def _differing(apart: pd.DataFrame) -> int:
    return int((apart["trials"] - apart["trials_agreeing"]).sum())


def _noise_clause(differing: pd.DataFrame) -> str:
    """Say how far two readings of a window differ in the studies where live and replay do."""
    known = differing["reading_noise"].dropna()
    if known.empty:
        return ""
    return f" (95 % of two readings of the same window agree within {span(known, percent)})"


REPLAY_CHECK = Subject(
    tables=(REPLAY_CHECK_TABLE,),
    question="RQ2",
    answer=lambda data: Answer(
        "", [("Live search against replay", live_check(data.tables["replay_check"]))]
    ),
)
