"""The scoreboard of rules that compare trials: the same verdicts live, in replay and in Ray Tune."""

import math
import random

import numpy as np
import pytest
from ray.tune.schedulers import AsyncHyperBandScheduler, MedianStoppingRule

from sysstop.study.rules import (
    BestCost,
    MedianRule,
    Scoreboard,
    Showing,
    SuccessiveHalving,
    showing_after,
)
from sysstop.study.rules.quantile_rule import quantile_of
from sysstop.study.status import Status, Stop

WINDOWS = 9


class RaysTrial:
    """What Ray's schedulers know of a trial."""

    def __init__(self, name):
        self.trial_id = name


def loss_curves(seed, trials=40):
    """Falling, noisy losses that cross each other (trials x windows)."""
    rng = np.random.default_rng(seed)
    start, speed = rng.uniform(1, 3, (2, trials, 1))
    falling = start * np.exp(-speed * np.arange(WINDOWS) / WINDOWS)
    return falling + rng.normal(0, 0.2, (trials, WINDOWS))


def searched(curves, ask, seed, workers=4):
    """Search the trials, some at a time, whichever comes next; return the windows each one used."""
    chance, waiting, running = random.Random(seed), list(range(len(curves))), []
    used = [0] * len(curves)
    while waiting or running:
        while waiting and len(running) < workers:
            running.append(waiting.pop(0))
        trial = chance.choice(running)
        used[trial] += 1
        if ask(trial, curves[trial][: used[trial]]) or used[trial] == len(curves[trial]):
            running.remove(trial)
    return used


def ours(rule, scoreboard=None):
    """Ask a rule through a scoreboard."""
    scoreboard = scoreboard or Scoreboard(rule)

    def ask(trial, losses):
        ended = Status.COMPLETED if len(losses) == WINDOWS else None
        showing = showing_after(rule, [{rule.metric: loss} for loss in losses], ended)
        return showing is not None and scoreboard.show(showing) is not None

    return ask


def rays(scheduler):
    """Ask one of Ray's schedulers, as Tune does at each result."""
    trials = {}

    def ask(name, losses):
        if name not in trials:
            trials[name] = RaysTrial(str(name))
            scheduler.on_trial_add(None, trials[name])
        result = {"training_iteration": len(losses), "loss": losses[-1]}
        if len(losses) == WINDOWS:
            scheduler.on_trial_complete(None, trials[name], result)
            return False
        return scheduler.on_trial_result(None, trials[name], result) == scheduler.STOP

    return ask


def asha():
    return AsyncHyperBandScheduler(
        time_attr="training_iteration",
        metric="loss",
        mode="min",
        max_t=WINDOWS,
        grace_period=1,
        reduction_factor=2,
    )


def median_stopping():
    return MedianStoppingRule(
        time_attr="training_iteration",
        metric="loss",
        mode="min",
        grace_period=1,
        min_samples_required=3,
        min_time_slice=math.inf,  # never pauses a trial for another
    )


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    ("rule", "scheduler"),
    [(SuccessiveHalving(0.5), asha), (MedianRule(0.5), median_stopping)],
    ids=["successive halving", "median"],
)
def test_ray_tune_decides_the_same_on_the_same_curves_in_the_same_order(rule, scheduler, seed):
    curves = loss_curves(seed)
    used = searched(curves, ours(rule), seed)
    assert used == searched(curves, rays(scheduler()), seed)
    assert 5 < sum(windows < WINDOWS for windows in used) < 40


def test_a_value_exceeds_a_quantile_if_and_only_if_its_own_is_larger():
    rng = np.random.default_rng(1)
    for others in (rng.normal(size=size).tolist() for size in range(1, 30)):
        others = sorted(others + others[:3])  # some are equal
        for value in [*rng.normal(size=20), *others[::3]]:
            own = quantile_of(value, others)
            for share in (0.05, 0.37, 0.5, 0.9):
                assert (own > share) == (value > np.quantile(others, share))


def test_infinite_values_are_the_largest_quantiles():
    assert quantile_of(math.inf, [1.0, 2.0]) == 1
    assert quantile_of(math.inf, [1.0, 2.0, math.inf]) == 1
    assert quantile_of(3.0, [1.0, 2.0, math.inf]) == 0.5
    assert quantile_of(math.inf, [math.inf, math.inf]) == 0


def test_a_trial_shows_something_only_where_the_rule_asks_and_at_its_end():
    losses = [{"val_loss": loss} for loss in (4.0, 2.0, 3.0)]
    rule = SuccessiveHalving()
    assert showing_after(rule, losses[:2], None) == Showing(1, 2.0, 2.0)
    assert showing_after(rule, losses, None) is None
    assert showing_after(rule, losses, Status.COMPLETED) == Showing(2, 3.0, 3.0, Status.COMPLETED)
    assert showing_after(MedianRule(), losses, None) == Showing(2, 2.0, 3.0)


def test_a_verdict_says_what_crossed_which_limit():
    scoreboard = Scoreboard(BestCost(2.0))
    assert scoreboard.show(Showing(0, 9.0, 9.0)) is None
    scoreboard.show(Showing(3, 4.0, 4.0, Status.COMPLETED))
    assert scoreboard.show(Showing(1, 8.0, 8.0)) is None
    stop = scoreboard.show(Showing(2, 10.0, 10.0))
    assert stop == Stop("best_cost", "steady_train_time_s", 2.0, 2.5)


@pytest.mark.parametrize("status", [Status.DIVERGED, Status.STOPPED])
def test_only_a_trial_that_used_its_budget_is_a_finished_one(status):
    scoreboard = Scoreboard(BestCost(2.0))
    scoreboard.show(Showing(3, 0.1, 0.1, status))
    assert scoreboard.show(Showing(0, 9.0, 9.0)) is None


@pytest.mark.parametrize("rule", [SuccessiveHalving(), MedianRule(), BestCost(1.5)])
def test_a_scoreboard_made_of_ended_trials_gives_the_verdicts_of_the_one_they_were_on(rule):
    curves = loss_curves(3) + 1
    live, rebuilt = Scoreboard(rule), Scoreboard(rule)
    used = searched(curves[:20], ours(rule, live), seed=1)
    assert min(used) < max(used) == WINDOWS
    for trial, windows in reversed(list(enumerate(used))):
        status = Status.COMPLETED if windows == WINDOWS else Status.STOPPED
        rebuilt.add_ended({rule.metric: curves[trial][:windows]}, status)
    verdicts = (searched(curves[20:], ours(rule, board), seed=2) for board in (live, rebuilt))
    assert next(verdicts) == next(verdicts)
