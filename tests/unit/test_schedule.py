"""Jobs of known lengths on a number of places."""

import pytest

from sysstop.plan.schedule import schedule_length

LENGTHS = {"a": 3.0, "b": 1.0, "c": 1.0, "d": 4.0}


@pytest.mark.parametrize(("places", "length"), [(1, 9.0), (2, 6.0), (3, 5.0), (4, 4.0), (9, 4.0)])
def test_the_next_job_starts_as_soon_as_one_ends(places, length):
    assert schedule_length(LENGTHS, {}, places) == length


def test_a_job_waits_for_the_one_before_it_and_lets_others_pass():
    assert schedule_length(LENGTHS, {"b": "d"}, places=4) == 5.0
    assert schedule_length(LENGTHS, {"b": "a"}, places=1) == 9.0
    assert schedule_length({"later": 1.0, "first": 2.0}, {"later": "first"}, places=2) == 3.0


def test_no_job_takes_no_time():
    assert schedule_length({}, {}, places=2) == 0.0
