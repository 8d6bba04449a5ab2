"""One failure stops nothing else, and none is forgotten."""

import pytest

from berthmaster.failures import Failures


def test_work_goes_on_after_a_failure_and_all_failures_are_raised_together() -> None:
    failures, done = Failures(), []
    for number in range(4):
        with failures.collect("number refused", number=number):
            if number % 2:
                raise ValueError(number)
            done.append(number)
    failures.add([KeyError("elsewhere")])
    assert done == [0, 2]
    assert len(failures) == 3
    with pytest.raises(ExceptionGroup, match="not all numbers") as raised:
        failures.raise_all("not all numbers")
    assert [type(error) for error in raised.value.exceptions] == [ValueError, ValueError, KeyError]


def test_without_failures_nothing_is_raised() -> None:
    Failures().raise_all("never")


def test_what_ends_the_process_is_not_collected() -> None:
    failures = Failures()
    with pytest.raises(SystemExit), failures.collect("exit"):
        raise SystemExit
    assert len(failures) == 0
