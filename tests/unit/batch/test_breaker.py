"""One file finds out that a pipeline is out of order, and one that it is in order again."""

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from berthmaster.batch.model.breaker import Breaker, BreakerState, Launched
from berthmaster.batch.model.launch_failures import FailureKind, LaunchFailure
from berthmaster.batch.model.stops import Cause
from berthmaster.batch.plan import breaker as breakers
from berthmaster.batch.plan.breaker import FIRST_PROBE, LAST_PROBE, LOST_CANARY, NEXT_PROBE, ROW, Permission

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FILES = [f"file-{number}" for number in range(6)]
PIPELINES_FAULT = (Cause.CONFIGURATION, Cause.UNREACHABLE)
NOBODYS_FAULT = (Cause.CAPACITY, Cause.SPOT, Cause.INFRASTRUCTURE, Cause.UNKNOWN, Cause.CANCELLED)
CLOSED = Breaker(pipeline="ocr")


def launched(file_id: str = FILES[0], number: int = 1, *, revision: str = "1", at: datetime = NOON) -> Launched:
    return Launched(file_id=file_id, number=number, revision=revision, requested_at=at)


def opened(launch: Launched, *, at: datetime = NOON) -> Breaker:
    return breakers.stopped(CLOSED, launch, Cause.CONFIGURATION, "no image", at)


def test_one_wrong_configuration_opens_it_and_says_why() -> None:
    breaker = opened(launched())
    assert (breaker.state, breaker.diagnosis, breaker.opened_by) == (BreakerState.OPEN, "no image", FILES[0])
    assert breakers.permission(breaker, "1", NOON) is Permission.NOTHING


def test_what_reaches_nothing_opens_it_in_a_row_only() -> None:
    breaker = CLOSED
    for number in range(ROW - 1):
        breaker = breakers.stopped(breaker, launched(FILES[number]), Cause.UNREACHABLE, "no path", NOON)
    assert breaker.state is BreakerState.CLOSED
    after_success = breakers.ran(breaker, launched(FILES[4]), NOON)
    assert after_success.row == 0
    assert breakers.stopped(breaker, launched(FILES[5]), Cause.UNREACHABLE, "no path", NOON).state is BreakerState.OPEN


def test_probes_come_after_five_minutes_and_then_ever_more_seldom() -> None:
    breaker, now, waits = opened(launched()), NOON, list[timedelta]()
    for number in range(2, 9):
        assert breaker.probe_at is not None
        waits.append(breaker.probe_at - now)
        now = breaker.probe_at
        assert breakers.permission(breaker, "1", now - MINUTE) is Permission.NOTHING
        assert breakers.permission(breaker, "1", now) is Permission.CANARY
        canary = launched(FILES[number % 6], number, at=now)
        breaker = breakers.stopped(
            breakers.probing(breaker, canary, now), canary, Cause.CONFIGURATION, "still no image", now
        )
    assert waits == [FIRST_PROBE, *(FIRST_PROBE * 2**n for n in (1, 2, 3)), LAST_PROBE, LAST_PROBE, LAST_PROBE]
    assert breaker.diagnosis == "still no image"


def test_another_revision_is_probed_at_once_and_once() -> None:
    breaker = opened(launched())
    assert breakers.permission(breaker, "2", NOON) is Permission.CANARY
    canary = launched(FILES[1], revision="2")
    breaker = breakers.stopped(breakers.probing(breaker, canary, NOON), canary, Cause.CAPACITY, "no room", NOON)
    assert breakers.permission(breaker, "2", NOON) is Permission.NOTHING
    assert breakers.permission(breaker, "2", NOON + NEXT_PROBE) is Permission.CANARY


def test_what_was_launched_before_the_canary_that_ran_does_not_open_it_again() -> None:
    canary = launched(FILES[1], revision="2", at=NOON + MINUTE)
    breaker = breakers.ran(breakers.probing(opened(launched()), canary, NOON + MINUTE), canary, NOON + 2 * MINUTE)
    assert breaker.state is BreakerState.CLOSED
    late = launched(FILES[2], at=NOON)
    assert breakers.stopped(breaker, late, Cause.CONFIGURATION, "no image", NOON + 9 * MINUTE) == breaker
    new = launched(FILES[2], revision="2", at=NOON + 3 * MINUTE)
    assert breakers.stopped(breaker, new, Cause.CONFIGURATION, "", NOON + 9 * MINUTE).state is BreakerState.OPEN


def test_a_canary_is_another_file_if_there_is_one() -> None:
    breaker = opened(launched())
    assert breakers.chosen(breaker, FILES) == FILES[1]
    assert breakers.chosen(breaker, FILES[:1]) == FILES[0]
    assert breakers.chosen(breaker, []) is None


def test_a_file_that_fails_where_others_do_not_is_charged_itself() -> None:
    """Else it would open the breaker again and again."""
    canary = launched(FILES[1], at=NOON + MINUTE)
    breaker = breakers.ran(breakers.probing(opened(launched()), canary, NOON), canary, NOON)
    again = launched(FILES[0], 2, at=NOON + 2 * MINUTE)
    assert breakers.is_the_files_own(breaker, again)
    assert breakers.stopped(breaker, again, Cause.CONFIGURATION, "bad key", NOON + 3 * MINUTE) == breaker
    changed = launched(FILES[0], 3, revision="2", at=NOON + 4 * MINUTE)
    assert not breakers.is_the_files_own(breaker, changed)


def test_only_a_call_that_has_come_to_an_end_is_judged() -> None:
    canary = launched(FILES[1])
    probing = breakers.probing(opened(launched()), canary, NOON)
    for kind in FailureKind:
        after = breakers.refused(probing, canary, LaunchFailure(kind, "text"), NOON)
        is_under_way = kind in {FailureKind.UNKNOWN, FailureKind.THROTTLED, FailureKind.CONFLICT}
        assert (after.state is BreakerState.PROBING) is is_under_way
        assert after.failed_probes == (kind is FailureKind.CONFIGURATION)
        opens = breakers.refused(CLOSED, canary, LaunchFailure(kind, "text"), NOON).state is BreakerState.OPEN
        assert opens is (kind is FailureKind.CONFIGURATION)


class PipelineOfSomeFiles(RuleBasedStateMachine):
    """A pipeline that breaks and is fixed while files are launched; its tasks run, fail, and are lost."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.breaker = CLOSED
        self.revision = 1
        self.is_broken = False
        self.launches = 0
        self.in_flight: list[Launched] = []
        self.lost: list[Launched] = []
        self.probes: set[int] = set()

    @rule(minutes=st.sampled_from([0, 1, 5, 29, 61]))
    def time_passes(self, minutes: int) -> None:
        self.now += minutes * MINUTE + timedelta(seconds=1)

    @rule()
    def it_breaks(self) -> None:
        self.is_broken = True

    @rule(is_revision_new=st.booleans())
    def it_is_fixed(self, is_revision_new: bool) -> None:  # noqa: FBT001 -- drawn by Hypothesis
        self.is_broken = False
        self.revision += is_revision_new

    @rule()
    def files_are_launched(self) -> None:
        due = [file_id for file_id in FILES if file_id not in {one.file_id for one in self.in_flight}]
        permission = breakers.permission(self.breaker, str(self.revision), self.now)
        canary = breakers.chosen(self.breaker, due)
        if permission is Permission.ALL:
            self.in_flight += [self._launch(file_id) for file_id in due[:3]]
        elif permission is Permission.CANARY and canary is not None:
            launch = self._launch(canary)
            self.breaker = breakers.probing(self.breaker, launch, self.now)
            self.in_flight.append(launch)

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def a_task_starts_or_fails(self, data: st.DataObject) -> None:
        launch = data.draw(st.sampled_from(self.in_flight))
        self.in_flight.remove(launch)
        outcomes = PIPELINES_FAULT if self.is_broken else (Cause.DONE, Cause.APPLICATION)
        self._end(launch, data.draw(st.sampled_from([*outcomes, *NOBODYS_FAULT])))

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def nobody_hears_of_a_task(self, data: st.DataObject) -> None:
        launch = data.draw(st.sampled_from(self.in_flight))
        self.in_flight.remove(launch)
        self.lost.append(launch)

    @invariant()
    def while_it_is_not_closed_one_launch_is_under_way_at_most(self) -> None:
        """But for a canary of which nothing was heard for so long that its task has been stopped."""
        under_way = [one for one in (*self.in_flight, *self.lost) if one.number in self.probes]
        assert sum(self.now - one.requested_at < LOST_CANARY for one in under_way) <= 1

    def teardown(self) -> None:
        """It is fixed, what is under way comes to an end, and one canary runs."""
        while self.in_flight:
            self._end(self.in_flight.pop(), Cause.CONFIGURATION if self.is_broken else Cause.INFRASTRUCTURE)
        self.is_broken = False
        self.now += max(LAST_PROBE, LOST_CANARY)
        self.files_are_launched()
        assert self.in_flight
        for launch in self.in_flight:
            self._end(launch, Cause.DONE)
        assert self.breaker.state is BreakerState.CLOSED
        assert breakers.permission(self.breaker, str(self.revision), self.now) is Permission.ALL

    def _launch(self, file_id: str) -> Launched:
        self.launches += 1
        if self.breaker.state is not BreakerState.CLOSED:
            self.probes.add(self.launches)
        return launched(file_id, self.launches, revision=str(self.revision), at=self.now)

    def _end(self, launch: Launched, cause: Cause) -> None:
        self.breaker = breakers.stopped(self.breaker, launch, cause, "text", self.now)


TestPipelineOfSomeFiles = PipelineOfSomeFiles.TestCase
TestPipelineOfSomeFiles.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
