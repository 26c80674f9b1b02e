"""How far live searches and their replay agree."""

import pandas as pd

from sysstop.report.subject import Answer, Subject
from sysstop.report.text_tables import ReportTable
from sysstop.report.wording import arm_label, arm_order, counted, out_of, percent, span


def replay_check_digest(check: pd.DataFrame) -> pd.DataFrame:
    """Return a row per arm that compares its live searches with their replay (`replay_check`)."""
    rows = []
    for arm in arm_order(check["arm"]):
        of_arm = check[check["arm"] == arm]
        trials = of_arm["trials"].sum()
        rows.append(
            {
                "Arm": arm_label(arm),
                "Trials": int(trials),
                "Stopped alike (%)": _share(of_arm["trials_agreeing"].sum(), trials),
                "Not alike, near the limit (%)": _share(of_arm["trials_near_limit"].sum(), trials),
                "Not alike, by order of events (%)": _share(
                    of_arm["trials_in_other_order"].sum(), trials
                ),
                "Not alike, beyond noise (%)": _share(of_arm["trials_beyond_noise"].sum(), trials),
                "Steps saved live (%)": _share(of_arm["live_saved_steps_fraction"].median(), 1),
                "Steps saved in replay (%)": _share(
                    of_arm["replayed_saved_steps_fraction"].median(), 1
                ),
                "Steady time saved live (%)": _share(
                    of_arm["live_saved_time_fraction"].median(), 1
                ),
                "Steady time saved in replay (%)": _share(
                    of_arm["replayed_saved_time_fraction"].median(), 1
                ),
                "Studies within the noise floor": f"{of_arm['within_noise_floor'].sum()} of "
                f"{len(of_arm)}",
            }
        )
    return pd.DataFrame(rows)


def _share(part: float, whole: float) -> float:
    return round(100 * part / whole, 1)


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


def live_check(check: pd.DataFrame) -> Answer:
    """Say how well live searches and their replay agree, and why they differ (`replay_check`)."""
    check = check[check["trials"] > 0]
    if check.empty:
        return Answer("")
    trials, alike = int(check["trials"].sum()), int(check["trials_agreeing"].sum())
    claim = f"Live search and replay treat {percent(alike / trials)} of the trials alike."
    sentences = [
        f"Of {counted(trials, 'trial')}, live search and replay treat {alike:,} alike: both stop them "
        "after the same window, or neither does."
    ]
    sentences += _why(check, trials - alike)
    within = int(check["within_noise_floor"].sum())
    sentences.append(
        "Their savings of steady time differ by less than the noise in "
        f"{out_of(within, len(check), 'search', 'searches')}."
    )
    waits = check["rule_wait_fraction"].dropna()
    if len(waits):
        sentences.append(
            "A trial waits for the verdict of a rule that compares it with others: "
            f"{span(waits, percent)} of the time in which trials trained and were evaluated."
        )
    return Answer(" ".join(sentences), claim=claim)


def _why(check: pd.DataFrame, differing: int) -> list[str]:
    """Say why live and replay treat so many trials differently."""
    near, by_order = (
        int(check[name].sum()) for name in ("trials_near_limit", "trials_in_other_order")
    )
    beyond = differing - near - by_order
    sentences = []
    if near:
        sentences.append(
            f"In {out_of(near, differing, 'other trial')} the reading is so close to the limit that noise "
            "decides."
        )
    if by_order:
        sentences.append(
            "A rule that compares trials judges one by those that came before it: "
            f"{out_of(by_order, differing, 'other trial')} may end as in the live search once the noise of "
            "the trials' times changes that order. The replay's clock leaves out the start of trials and the "
            "waiting for verdicts."
        )
    if beyond:
        sentences.append(f"Noise does not explain {out_of(beyond, differing, 'other trial')}.")
    return sentences


REPLAY_CHECK = Subject(
    name="replay_check",
    title="Live searches against their replay",
    tables=(REPLAY_CHECK_TABLE,),
    question="RQ2",
    answer=lambda data: live_check(data.tables["replay_check"]),
)
