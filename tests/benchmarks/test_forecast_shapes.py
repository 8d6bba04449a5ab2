"""Demand whose right answer is known: silence about weeks that repeat or fall, and none too late where they grow."""

from benchmarks.forecast_score import TRIGGERS
from benchmarks.forecast_shapes import answers
from berthmaster.capacity.plan.forecast import needs_room


def test_weeks_that_repeat_or_fall_raise_no_alarm_and_those_that_grow_do_in_time() -> None:
    found = answers(needs_room)
    assert found.false == ()
    assert found.late == ()
    assert (len(found.quiet), len(found.exhausted)) == (54, 18)


def test_a_threshold_would_be_wrong_about_them() -> None:
    assert len(answers(TRIGGERS["used >= 80 %"]).false) > 20
