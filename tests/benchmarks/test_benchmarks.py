"""Aims that hold on every machine, and that every figure says how to have it again."""

import dataclasses
import shlex
from typing import Any

import pytest

from benchmarks import bill, cycle
from benchmarks.__main__ import Benchmark, benchmarks
from benchmarks.survey import survey
from berthmaster.capacity.settings import MetricDetail

CYCLE_CPU, HISTORY_CPU = 10.0, 5.0
"""Seconds: thrice what an ordinary machine takes."""


def test_with_two_weeks_of_history_even_a_cold_cycle_reads_less_often_than_the_aim() -> None:
    assert cycle.reads(survey().cold) < cycle.AIM
    assert cycle.reads(survey().warm) < cycle.AIM


def test_the_bill_of_a_large_account_stays_below_the_aim_beyond_the_free_allowances() -> None:
    found = bill.report(CYCLE_CPU, HISTORY_CPU)
    assert found.bills[MetricDetail.ATTENTION].beyond_allowances < bill.AIM


@pytest.mark.parametrize("benchmark", benchmarks(), ids=lambda one: one.name)
def test_every_figure_says_how_to_have_it_again(benchmark: Benchmark[Any]) -> None:
    told = list(dataclasses.replace(benchmark, measure=lambda: None, tell=lambda _: iter(())).run())
    assert shlex.split(told[-1])[-3:] == ["-m", "benchmarks", benchmark.name]
