"""The package's docstring does what it says."""

from __future__ import annotations

import doctest

import simulator


def test_the_example_runs() -> None:
    failed, tried = doctest.testmod(simulator)
    assert tried
    assert not failed
