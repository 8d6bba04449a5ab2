"""Durations are those of real invocations at latency, and what does not fit is said."""

from collections import Counter

from benchmarks.durations import Duration, Report, gate, printed
from benchmarks.reconciliation import recording, runs_until_all_are_reached
from benchmarks.usage import Meter, Usage
from simulator.cloud import Cloud
from simulator.latency import Constant
from simulator.stack.deployment import Deployment

WATCH = "CapacityWatchFunction"


def test_an_invocation_lasts_as_long_as_its_calls_take() -> None:
    with Cloud(latency=Constant(0.5)) as cloud:
        berthmaster = Deployment(cloud)
        meter = Meter(berthmaster, WATCH)
        berthmaster.invoke(WATCH, {})
        used = meter.read()
        assert used.calls.total()
        assert 0.5 <= used.longest <= 0.5 * used.calls.total()


def test_an_invocation_that_lambda_ended_is_a_timeout() -> None:
    with Cloud(latency=Constant(500)) as cloud:
        berthmaster = Deployment(cloud)
        meter = Meter(berthmaster, WATCH)
        berthmaster.invoke(WATCH, {})
        assert meter.read().timeouts == 1


def test_what_does_not_fit_is_marked() -> None:
    usage = Usage(calls=Counter(), seconds=(3.0, 120.0), timeouts=1)
    durations = (Duration(WATCH, "a small account", 2.0), Duration.of(WATCH, "a large one", usage, left="half is left"))
    _, _, fits, does_not, *_ = printed(Report(durations, "no latency"))
    assert fits.split()[-2:] == ["2.0", "120"]
    assert does_not.endswith("120.0      120  ! 1 timed out; half is left")


def test_the_gate_answers_within_its_timeout() -> None:
    cold, warm = gate()
    assert 0 < cold.seconds < cold.timeout
    assert 0 < warm.seconds < warm.timeout


def test_runs_over_few_groups_reach_all_of_them() -> None:
    few = recording(20, 1)
    assert runs_until_all_are_reached(few.cold) == 1
    assert all(len(one.reached) == 20 and one.seconds > 1 for one in few.warm)
