"""What stopping trials at random loses, which any rule has to beat."""

import numpy as np

from sysstop.analysis.recording import Recording, Stops, best_left

# Random stopping of models that stay candidates is drawn this often.
RANDOM_DRAWS = 200
FEWEST_DRAWS = 20
RANDOM_SEED = 0


def random_best(scores: np.ndarray, trials: int) -> np.ndarray:
    """Return the expected best score left if 0, 1, ... `trials` random trials are thrown away.

    `scores` are those of the candidates among them; given that one is left at all, NaN if none can
    be. The best one left is the r-th if it is kept and the r - 1 better ones are not.
    """
    thrown = np.arange(trials + 1)
    better_thrown, expected = np.ones(trials + 1), np.zeros(trials + 1)
    for rank, score in enumerate(np.sort(scores)[::-1]):
        others = trials - rank
        expected += better_thrown * (trials - thrown) / others * score
        better_thrown *= np.maximum(thrown - rank, 0) / others
    some_left = 1 - better_thrown
    possible = some_left > 1e-12
    return np.where(possible, expected / np.where(possible, some_left, 1), np.nan)


def mean_random_best(recording: Recording, stops: Stops) -> float:
    """Return the mean best score if random trials are stopped after these windows and stay.

    Of many trials fewer draws are enough, since their means differ less.
    """
    if not stops.stopped.any():
        return best_left(recording, stops, True)
    rng = np.random.default_rng(RANDOM_SEED)
    left = np.where(stops.stopped, stops.windows_used, np.iinfo(int).max)
    best = []
    trials = len(left)
    for _ in range(min(RANDOM_DRAWS, max(FEWEST_DRAWS, RANDOM_DRAWS * 1000 // trials))):
        drawn = rng.permutation(left)
        stopped = drawn < recording.windows
        drawn_stops = Stops(np.minimum(drawn, recording.windows), stopped)
        best.append(best_left(recording, drawn_stops, True))
    return float(np.nanmean(best)) if np.isfinite(best).any() else np.nan
