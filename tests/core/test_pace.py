"""How many steps are made in one go: by what earlier ones took."""

import pytest

from jno_core._train.pace import SECONDS, Pace
from jno_core._train.step import CAPACITY


def test_quick_steps_are_made_in_larger_numbers_up_to_the_capacity():
    pace = Pace()
    seen = [pace.steps]
    while pace.steps < CAPACITY:
        pace.learn(pace.steps, 0.1 * SECONDS)
        seen.append(pace.steps)
    assert seen == [8 * 2**i for i in range(len(seen))]
    pace.learn(CAPACITY, 0.1 * SECONDS)
    assert pace.steps == CAPACITY


def test_slow_steps_are_made_in_smaller_numbers_down_to_one():
    pace = Pace()
    for expected in (4, 2, 1, 1):
        pace.learn(pace.steps, 3 * SECONDS)
        assert pace.steps == expected


@pytest.mark.parametrize("seconds", [0.5 * SECONDS, SECONDS, 2 * SECONDS])
def test_what_takes_about_as_long_as_it_should_stays(seconds):
    pace = Pace()
    pace.learn(pace.steps, seconds)
    assert pace.steps == 8


@pytest.mark.parametrize("done", [0, 1, 7])
def test_steps_that_something_else_ended_tell_nothing_unless_they_were_slow(done):
    pace = Pace()
    pace.learn(done, 0.1 * SECONDS)
    assert pace.steps == 8
    pace.learn(done, 3 * SECONDS)
    assert pace.steps == 4
