"""Aims that hold on every machine, and that every figure says how to have it again."""

import dataclasses
import shlex
from typing import Any

import pytest

from benchmarks import batch, batch_compared, bill, cycle, reconciliation, restores, targets_bill, task_events
from benchmarks.__main__ import Benchmark, benchmarks
from benchmarks.many_groups import GROUPS_PER_CLUSTER
from benchmarks.survey import survey
from berthmaster.capacity.settings import MetricDetail

CYCLE_CPU, HISTORY_CPU, PASS_CPU = 10.0, 5.0, 1.0
"""Seconds: thrice what an ordinary machine takes."""


def test_with_two_weeks_of_history_even_a_cold_cycle_reads_less_often_than_the_aim() -> None:
    assert cycle.reads(survey().cold) < cycle.AIM
    assert cycle.reads(survey().warm) < cycle.AIM


def test_the_bill_of_a_large_account_stays_below_the_aim_beyond_the_free_allowances() -> None:
    found = bill.report(CYCLE_CPU, HISTORY_CPU)
    assert found.bills[MetricDetail.ATTENTION].beyond_allowances < bill.AIM


def test_a_thousand_task_events_take_far_fewer_calls_of_elastic_load_balancing_than_one_for_each() -> None:
    storm = task_events.storm()
    assert storm.by_event >= task_events.AIM * storm.balancing
    assert storm.balancing < storm.by_change


def test_the_bill_of_a_thousand_tasks_stays_below_the_aim_beyond_the_free_allowances() -> None:
    assert targets_bill.report(PASS_CPU).bill.beyond_allowances < targets_bill.AIM


@pytest.mark.long
def test_a_burst_of_files_is_launched_at_the_rate_of_the_account_with_few_writes_for_each() -> None:
    found = batch.a_burst(100)
    assert found.throttled == 0
    assert found.launched[-1] <= batch.BURST_AIM - batch.BURST_IDEAL + 100 / 20
    assert found.usage.writes / found.files < batch.WRITES_AIM


@pytest.mark.long
def test_rules_are_back_soon_after_the_file_however_many_files_wait_for_credit() -> None:
    found = restores.measured(2, 1)
    assert len(found.since_file) == found.rules
    assert restores.percentile(found.since_file, 0.99) <= restores.AIM
    assert found.waiting == found.files > 0


def test_a_recorded_run_is_repeated_without_the_simulator() -> None:
    recording = reconciliation.recording(2 * GROUPS_PER_CLUSTER, 1)
    assert reconciliation.replayed(recording).keys() == reconciliation.RUNS.keys()


@pytest.mark.parametrize("benchmark", benchmarks(), ids=lambda one: one.name)
def test_every_figure_says_how_to_have_it_again(benchmark: Benchmark[Any]) -> None:
    lines = list(dataclasses.replace(benchmark, measure=lambda: None, printed=lambda _: iter(())).run())
    assert shlex.split(lines[-1])[-3:] == ["-m", "benchmarks", benchmark.name]


@pytest.mark.long
@pytest.mark.parametrize("name", batch_compared.EVERY)
def test_whoever_launches_tasks_works_on_all_files_while_nothing_fails(name: str) -> None:
    outcome = batch_compared.a_burst(batch_compared.EVERY[name], 12)
    assert (outcome.files, len(outcome.begun), outcome.lost, outcome.doubled) == (12, 12, 0, 0)
