"""The forecast of pools whose future is obvious, and what no forecast may do."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from berthmaster.capacity.plan.forecast import Outlook, needs_room, outlook

HOUR = 60
DAY = 24 * HOUR
CAPACITY = 1000

type Samples = list[tuple[int, int]]


def flat(level: int, days: float = 14) -> Samples:
    return [(minute, level) for minute in range(0, round(days * DAY), 5)]


def daily(peak: int, days: float = 14, noise: int = 5) -> Samples:
    """Low at four in the morning, ``peak`` at four in the afternoon."""
    rng = random.Random(1)  # noqa: S311 - a seed, not a secret
    daylight = [0.5 - 0.5 * math.cos(2 * math.pi * (minute - 4 * HOUR) / DAY) for minute in range(0, DAY, 5)]
    minutes = range(0, round(days * DAY), 5)
    return [(m, round(peak * (0.2 + 0.8 * daylight[m % DAY // 5])) - rng.randint(0, noise)) for m in minutes]


def weekly(peak: int) -> Samples:
    """Use at weekends is a third."""
    return [(minute, used if minute // DAY % 7 < 5 else used // 3) for minute, used in daily(peak)]


def working_hours(peak: int, *, low: int = 100, days: float = 14, first_day: int = 0) -> Samples:
    """Scheduled scaling: at the peak from eight to six on weekdays, low at night and at weekends."""
    minutes = range(0, round(days * DAY), 5)
    busy = [(minute // DAY + first_day) % 7 < 5 and 8 * HOUR <= minute % DAY < 18 * HOUR for minute in minutes]
    return [(minute, peak if on else low) for minute, on in zip(minutes, busy, strict=True)]


def falling(samples: Samples, share: float, after: float) -> Samples:
    """Demand falls to a share of what it was, after so many days."""
    return [(minute, used if minute < after * DAY else round(share * used)) for minute, used in samples]


def after_a_week_off(samples: Samples) -> Samples:
    """The last two weeks of three, the second of which was off."""
    first = samples[-1][0] - 14 * DAY
    return [(m, 100 if 7 * DAY <= m < 14 * DAY else used) for m, used in samples if m > first]


def declining(samples: Samples, per_day: float) -> Samples:
    return [(minute, round(used * (1 - per_day) ** (minute / DAY))) for minute, used in samples]


def varying(peak: int, days: float = 14) -> Samples:
    """Every fifth day reaches the peak, the others half of it and more."""
    return [(minute, used * (10 - minute // DAY % 5) // 10) for minute, used in daily(peak, days)]


def sawtooth(peak: int, period: int = 3 * HOUR) -> Samples:
    """Batch jobs fill the pool and all end at once."""
    return [(minute, 100 + (peak - 100) * (minute % period) // period) for minute in range(0, 14 * DAY, 5)]


def growing(samples: Samples, per_day: int) -> Samples:
    return [(minute, used + per_day * minute // DAY) for minute, used in samples]


def then(samples: Samples, *levels: int) -> Samples:
    """Add samples after the last one, five minutes apart."""
    last = samples[-1][0]
    return samples + [(last + 5 * i, level) for i, level in enumerate(levels, 1)]


def minutes_of_warning(samples: Samples, capacity: int, since: int) -> int:
    """How long before exhaustion the forecast first needed room, at the samples from index ``since`` on."""
    exhausted = next(i for i, (_, used) in enumerate(samples) if used >= capacity)
    yes = next((i for i in range(since, exhausted) if needs_room(samples[: i + 1], capacity)), exhausted)
    return samples[exhausted][0] - samples[yes][0]


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param([], id="no samples"),
        pytest.param([(0, 400)], id="one sample"),
        pytest.param(flat(500), id="flat and half empty"),
        pytest.param(flat(850), id="flat at 85 %"),
        pytest.param(flat(850, days=0.1), id="flat at 85 % for two hours"),
        pytest.param(daily(850), id="busy but stable"),
        pytest.param(daily(850, days=14.5)[-4032:], id="busy but stable, at another hour"),
        pytest.param(daily(850, days=1), id="busy but stable, on the first day"),
        pytest.param(weekly(800), id="weekly shape"),
        pytest.param(weekly(850), id="weekly shape, nearly full"),
        pytest.param(working_hours(850), id="working hours"),
        pytest.param(working_hours(850, days=6, first_day=5), id="working hours, in the first week after a weekend"),
        pytest.param(after_a_week_off(working_hours(850, days=15.5)), id="back from a week off"),
        pytest.param(falling(daily(850), 0.5, after=9), id="peaks that halved"),
        pytest.param(falling(working_hours(850), 0.5, after=9), id="working hours that halved"),
        pytest.param(falling(weekly(850), 0.7, after=11), id="weekdays that fell by a third"),
        pytest.param(declining(daily(880), per_day=0.02), id="slow decline"),
        pytest.param(sawtooth(800), id="batch sawtooth"),
        pytest.param(then(flat(300), *[600] * 12), id="one level shift"),
        pytest.param(then(daily(500), 400, 500, 600, 650, 650, 650), id="a rollout"),
        pytest.param(growing(daily(500), per_day=5), id="slow growth, far from full"),
    ],
)
def test_these_pools_need_no_room(samples: Samples) -> None:
    assert not needs_room(samples, CAPACITY)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param([(0, 1000)], id="full"),
        pytest.param([(0, 1200)], id="more than full"),
        pytest.param(flat(920), id="nine tenths"),
        pytest.param(daily(990, days=13.66), id="the afternoon takes everything"),
        pytest.param(growing(daily(600, days=13.6), per_day=30), id="steady growth, nearly there"),
        pytest.param(then(flat(300), 360, 420, 480, 540, 600, 660), id="a runaway climb"),
    ],
)
def test_these_pools_need_room(samples: Samples) -> None:
    assert needs_room(samples, CAPACITY)


@pytest.mark.parametrize("start", [100, 300, 500])
@pytest.mark.parametrize("hours", [1, 2, 4])
def test_a_ramp_to_exhaustion_is_recognised_in_time(start: int, hours: int) -> None:
    steps = 12 * hours
    ramp = [start + (CAPACITY - start) * step // steps for step in range(1, steps + 1)]
    calm = flat(start)
    assert minutes_of_warning(then(calm, *ramp), CAPACITY, since=len(calm)) >= 20


def test_the_usual_morning_is_not_taken_for_a_ramp() -> None:
    samples = daily(850)
    assert not any(needs_room(samples[: i + 1], CAPACITY) for i in range(12 * 288, 13 * 288, 3))


def test_peaks_that_vary_need_more_headroom_than_steady_ones() -> None:
    assert not needs_room(daily(880, days=13.5), CAPACITY)
    assert needs_room(varying(880, days=13.5), CAPACITY)


def jobs(peak: int, minutes: int) -> Samples:
    """A job at noon, every fifth day the largest, that takes so many minutes."""
    peaks = [peak if day % 5 == 0 else peak // 2 for day in range(14)]
    length = range(12 * HOUR, 12 * HOUR + minutes)
    return [(m, peaks[m // DAY] if m % DAY in length else 150) for m in range(0, 14 * DAY, 5)]


def test_use_that_lasts_needs_more_headroom_than_spikes() -> None:
    """Of two pools with the same daily peaks, the one whose peaks last longer is more likely to exceed them."""
    spiky, lasting = jobs(850, minutes=5), jobs(850, minutes=60)
    spike, long_peak = outlook(spiky, CAPACITY).demand, outlook(lasting, CAPACITY).demand
    assert (spike.peak, spike.excess, spike.burst) == (long_peak.peak, long_peak.excess, long_peak.burst)
    assert spike.swing == 0
    assert long_peak.swing > 600
    assert not needs_room(then(spiky, 300), 1010)
    assert needs_room(then(lasting, 300), 1010)


def test_what_repeats_needs_no_headroom() -> None:
    assert outlook(daily(850, noise=0), CAPACITY).demand.allowance == 0
    assert outlook(working_hours(850), CAPACITY).demand.allowance == 0
    assert outlook(varying(850), CAPACITY).demand.allowance > 100


def test_a_peak_that_left_much_room_is_no_reason_to_act() -> None:
    """Even if its allowance reaches the capacity: there is time to see how it goes on."""
    samples = then(jobs(800, minutes=60), 300)
    demand = outlook(samples, CAPACITY).demand
    assert demand.peak + demand.allowance > CAPACITY
    assert not needs_room(samples, CAPACITY)
    assert needs_room(samples, 970)


@pytest.mark.parametrize("first_day", range(7))
@pytest.mark.parametrize("days", [3, 4, 5, 6, 7, 8, 10, 13, 14])
def test_weekends_do_not_look_like_growth_or_like_days_that_differ(first_day: int, days: int) -> None:
    view = outlook(working_hours(800, days=days, first_day=first_day), CAPACITY)
    assert view.demand.growth == 0
    if days >= 7:
        assert view.demand.excess == 0


NOISE = 10
"""Twice what the daily peaks of a shape differ by."""
SHAPES = {"flat": flat, "daily": daily, "weekly": weekly, "working hours": working_hours}


@given(
    shape=st.sampled_from(sorted(SHAPES)),
    peak=st.integers(min_value=500, max_value=890),
    shares=st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=13),
)
@settings(max_examples=50, deadline=None)
def test_falling_demand_never_raises_the_forecast(shape: str, peak: int, shares: list[float]) -> None:
    """Day after day demand is a smaller share of what it was; at no time is more expected than before."""
    before = SHAPES[shape](peak)
    left, after = 1.0, []
    for day, share in enumerate(shares):
        left *= share
        after += [(minute + 14 * DAY, round(left * used)) for minute, used in before[288 * day : 288 * (day + 1)]]
    samples = before + after
    expected = _expected(before) + NOISE
    for end in range(len(before), len(samples), 97):
        history = samples[end - len(before) : end]
        assert _expected(history) <= expected
        assert not needs_room(history, CAPACITY)


def _expected(samples: Samples) -> float:
    demand = outlook(samples, CAPACITY).demand
    return demand.peak + demand.allowance + demand.growth


def test_a_constant_load_needs_no_headroom_of_its_own() -> None:
    alone, with_constant_load = daily(500), [(minute, used + 1000) for minute, used in daily(500)]
    allowance = outlook(alone, 10_000).demand.allowance
    assert outlook(with_constant_load, 10_000).demand.allowance == pytest.approx(allowance)


def test_an_idle_pool_waits_until_demand_returns() -> None:
    short, long = (then(varying(950), *[100] * 12 * hours) for hours in (1, 3))
    assert needs_room(short, CAPACITY)
    assert not needs_room(long, CAPACITY)
    assert needs_room(then(long, *[500] * 3), CAPACITY)


def test_committed_addresses_count_as_used() -> None:
    assert not outlook(flat(500), CAPACITY).needs_room
    assert outlook(flat(500), CAPACITY, committed=450).needs_room
    assert outlook([], CAPACITY, committed=950).needs_room
    assert outlook(flat(500), CAPACITY, committed=450).demand.peak == 950


class TestHours:
    def test_none_while_nothing_grows(self) -> None:
        assert outlook(flat(500), CAPACITY).hours_to_exhaustion is None
        assert outlook(flat(500), CAPACITY).hours_pessimistic is None

    def test_follow_the_growth_of_daily_peaks(self) -> None:
        view = outlook(growing(daily(500, noise=0), per_day=20), CAPACITY)
        peak = view.demand.peak
        assert view.demand.growth == pytest.approx(20, rel=0.1)
        assert view.hours_to_exhaustion == pytest.approx(24 * (CAPACITY - peak) / 20, rel=0.1)
        assert view.hours_pessimistic is not None
        assert 0 < view.hours_pessimistic < view.hours_to_exhaustion

    def test_follow_a_ramp(self) -> None:
        view = outlook(then(flat(300), 360, 420, 480, 540, 600, 660), CAPACITY)
        assert view.hours_to_exhaustion == pytest.approx((CAPACITY - 660) / 60 * 5 / HOUR)

    def test_zero_when_full(self) -> None:
        assert outlook(flat(CAPACITY), CAPACITY).hours_to_exhaustion == 0
        assert outlook(flat(CAPACITY), CAPACITY).hours_pessimistic == 0


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (flat(950), "950 of 1000 addresses are in use, 90% or more"),
        (
            flat(100),
            "100 of 1000 addresses are in use, and for 3 h less than 25% were: nothing to do until demand returns",
        ),
        (
            then(flat(300), 360, 420, 480, 540, 600, 660),
            "660 of 1000 addresses are in use, and a climb faster than any before takes the rest in 0.5 h",
        ),
        (
            flat(600),
            "600 of 1000 addresses are in use, and never more than 600 were in 14.0 days, less than 82%",
        ),
        (
            flat(850),
            (
                "the next peak may reach 850 of 1000 addresses: 850 was the highest in 14.0 days,"
                " 0 more than on a usual day, plus 0 for a longer peak or a burst, 0 for growth"
            ),
        ),
    ],
)
def test_the_reason_gives_the_figures(samples: Samples, said: str) -> None:
    assert outlook(samples, CAPACITY).reason == said


class TestProjectedPeak:
    def test_of_a_flat_pool_is_the_pool(self) -> None:
        assert outlook(flat(500), CAPACITY).projected_peak(30) == 500

    def test_grows_with_the_days_ahead(self) -> None:
        view = outlook(growing(daily(500), per_day=20), CAPACITY)
        assert view.projected_peak(20) - view.projected_peak(10) == pytest.approx(200, rel=0.1)

    def test_widens_when_history_is_short(self) -> None:
        assert outlook(daily(500, days=1), CAPACITY).projected_peak(7) > outlook(daily(500), CAPACITY).projected_peak(7)

    def test_does_not_extrapolate_a_short_ramp_for_weeks(self) -> None:
        ramp = outlook([(5 * i, 100 + 10 * i) for i in range(50)], 10_000)
        assert ramp.projected_peak(30) < 2.5 * ramp.demand.peak

    def test_does_not_extrapolate_three_days_for_a_month(self) -> None:
        view = outlook(growing(flat(100, days=3), per_day=100), 10_000)
        assert view.projected_peak(30) == view.projected_peak(6)


used = st.integers(min_value=0, max_value=2000)
capacities = st.integers(min_value=1, max_value=2000)


@st.composite
def histories(draw: st.DrawFn) -> Samples:
    """Any series of samples: levels that vary, a pool that grows or shrinks, gaps of any length."""
    levels = draw(st.lists(used, min_size=1, max_size=40))
    repeat = draw(st.sampled_from([1, 3, 12, 50]))
    kept = draw(st.randoms(use_true_random=False))
    share = draw(st.sampled_from([1.0, 0.9, 0.3]))
    samples = [(5 * i, level) for i, level in enumerate(level for level in levels for _ in range(repeat))]
    return [sample for sample in samples[:-1] if kept.random() < share] + samples[-1:]


@given(histories(), capacities)
def test_needs_room_and_outlook_agree(samples: Samples, capacity: int) -> None:
    assert needs_room(samples, capacity) == outlook(samples, capacity).needs_room


@given(histories())
def test_the_swing_is_what_lasts_above_the_mean_of_its_day(samples: Samples) -> None:
    days: dict[int, list[int]] = {}
    for minute, level in samples:
        days.setdefault((samples[-1][0] - minute) // DAY, []).append(level)
    whole = [levels for levels in days.values() if len(levels) >= 0.9 * max(map(len, days.values()))]
    held = [max(min(levels[i : i + 6]) for i in range(max(1, len(levels) - 5))) for levels in whole]
    swings = [
        level - sum(levels) / len(levels) for level, levels in zip(held, whole, strict=True) if level == max(held)
    ]
    assert outlook(samples, CAPACITY).demand.swing in [max(0, swing) for swing in swings]


@given(histories(), capacities, st.integers(min_value=-(10**9), max_value=10**9))
def test_only_the_time_between_samples_counts(samples: Samples, capacity: int, shift: int) -> None:
    assert outlook([(minute + shift, level) for minute, level in samples], capacity) == outlook(samples, capacity)


@given(histories(), capacities, st.sampled_from([2, 4, 64]))
def test_only_the_share_of_capacity_counts(samples: Samples, capacity: int, times: int) -> None:
    larger = [(minute, level * times) for minute, level in samples]
    assert needs_room(larger, capacity * times) == needs_room(samples, capacity)


@given(histories(), capacities)
def test_a_full_pool_always_needs_room(samples: Samples, capacity: int) -> None:
    assert needs_room(then(samples, capacity), capacity)


@given(histories(), capacities, used)
def test_more_room_is_never_worse(samples: Samples, capacity: int, more: int) -> None:
    assert needs_room(samples, capacity) or not needs_room(samples, capacity + more)


@given(histories(), capacities, st.floats(min_value=0, max_value=60), st.floats(min_value=0, max_value=60))
def test_projections_never_fall_and_never_go_below_the_peak(
    samples: Samples, capacity: int, days: float, further: float
) -> None:
    view = outlook(samples, capacity)
    highest = max(level for _, level in samples)
    assert highest <= view.projected_peak(days) <= view.projected_peak(days + further)


@given(histories(), capacities)
def test_the_pessimistic_hours_come_first(samples: Samples, capacity: int) -> None:
    view = outlook(samples, capacity)
    assert _or_never(view.hours_pessimistic) <= _or_never(view.hours_to_exhaustion)


def _or_never(hours: float | None) -> float:
    return math.inf if hours is None else hours


@given(st.integers(min_value=1, max_value=13 * DAY // 5), st.integers(min_value=1, max_value=2 * DAY // 5))
def test_a_gap_is_not_a_drop_to_zero(start: int, length: int) -> None:
    samples = daily(700)
    gapped = samples[:start] + samples[start + length :]
    whole, with_gap = outlook(samples, CAPACITY), outlook(gapped, CAPACITY)
    assert _demand_is_near(with_gap, whole)
    assert with_gap.needs_room == whole.needs_room


def _demand_is_near(one: Outlook, other: Outlook) -> bool:
    """Within a hundredth of the capacity: a drop to zero and back would change each of these.

    The swing within three hundredths: without a tenth of the samples of its day, their mean is another one.
    """
    figures = [
        (one.demand.peak, other.demand.peak, 1),
        (one.demand.excess, other.demand.excess, 1),
        (one.demand.swing, other.demand.swing, 3),
        (one.demand.burst, other.demand.burst, 1),
        (one.demand.growth, other.demand.growth, 1),
    ]
    return all(abs(a - b) <= hundredths * CAPACITY / 100 for a, b, hundredths in figures)
