"""Why a trial's process ended, as the tables say it."""

import pytest

from sysstop.search.actor import failure_reason
from sysstop.trial.process import Ended


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (None, "it was not done after search.trial_timeout_s = 20 s"),
        (Ended(1, "KeyError: 'a'"), "KeyError: 'a'"),
        (Ended(3), "its process ended with exit code 3"),
        (
            Ended(-9),
            "its process was killed, as Linux does when memory runs out; try fewer search.workers",
        ),
        (
            Ended(-6, "terminate called: std::bad_alloc"),
            "its process was ended by SIGABRT; its last words: terminate called: std::bad_alloc",
        ),
    ],
)
def test_a_failed_trial_has_a_reason_with_the_last_words_of_its_process(ended, reason):
    assert failure_reason(ended, 20.0) == reason
