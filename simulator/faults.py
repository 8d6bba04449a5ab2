"""Injected faults, by seed: of AWS's responses, of processes that crash, of events and messages, and of Fargate."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log1p
from random import Random
from typing import TYPE_CHECKING

from simulator.errors import Crashed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from simulator.calls import Call


@dataclass(frozen=True)
class CrashBefore:
    """A function crashes instead of making its n-th AWS call, counted from 1 since the fault was set.

    `function`: its logical id, or `workload` for the programs of tasks; any function unless given.
    """

    call: int
    function: str = ""


@dataclass(frozen=True)
class CrashAfter:
    """A function crashes when AWS has done its n-th call, before it reads the response."""

    call: int
    function: str = ""


@dataclass(frozen=True)
class Outage:
    """AWS responds to every attempt of an operation, as in `elbv2:DeregisterTargets`, with 500 and does nothing.

    `until`: a time of the clock, in seconds; botocore's retries are over before a long one is. `of_programs`: whether
    it is the programs of tasks, and not functions, that get these responses.
    """

    name: str
    until: float
    of_programs: bool = False


@dataclass(frozen=True, kw_only=True)
class FaultPlan:
    """How often each fault occurs, as probabilities; `repr` and the seed reproduce a run.

    Per attempt of an AWS call by a function: `throttled`, `server_error` (nothing was done), `lost_response` (AWS did
    the work and responded with 500). Per call: `crash`, half of them before and half after, and `program_crash` of the
    programs of tasks, likewise. Per attempt of a call by one of those: `program_fault`, which is one of the three. Per
    entry of PutEvents: `entry_refused`. Per conditional write to S3: `write_conflict` (409, nothing was done). Per
    transaction with DynamoDB: `transaction_conflict` (another request works on one of its items; nothing was done). Per
    event on a bus: `event_lost`, `event_duplicated`, `event_delayed` (by up to `longest_delay` seconds, which also
    reorders). Per tick of a schedule: `tick_lost`; it is doubled and delayed as events are.

    Of Fargate, per task that RunTask is asked for: `no_capacity`, and per failure that it returns, `ghost`: the task
    starts all the same. Per task that starts: `stuck_provisioning`, `interface_timeout`, `pull_interrupted`. Per minute
    of a running Spot task: `spot_reclaim`.

    Of VPC flow logs, per file: `log_file_lost`, `log_file_late`, `log_file_doubled` (written again later). Per
    interface and aggregation interval: `records_skipped`.
    """

    seed: int = 0
    throttled: float = 0.0
    server_error: float = 0.0
    lost_response: float = 0.0
    crash: float = 0.0
    program_crash: float = 0.0
    program_fault: float = 0.0
    entry_refused: float = 0.0
    write_conflict: float = 0.0
    transaction_conflict: float = 0.0
    event_lost: float = 0.0
    tick_lost: float = 0.0
    event_duplicated: float = 0.0
    event_delayed: float = 0.0
    longest_delay: float = 600.0
    no_capacity: float = 0.0
    ghost: float = 0.0
    stuck_provisioning: float = 0.0
    interface_timeout: float = 0.0
    pull_interrupted: float = 0.0
    spot_reclaim: float = 0.0
    log_file_lost: float = 0.0
    log_file_late: float = 0.0
    log_file_doubled: float = 0.0
    records_skipped: float = 0.0

    @property
    def affects_responses(self) -> bool:
        """Whether the plan has faults that change the response of a call."""
        return bool(self.throttled or self.server_error or self.lost_response)


NO_FAULTS = FaultPlan()
RESPONSES = ("throttled", "server_error", "lost_response")


class Faults:
    """Draws the faults of one simulation. Each kind has its own random stream: one more of a kind changes no other."""

    def __init__(self, plan: FaultPlan = NO_FAULTS) -> None:
        self.plan = plan
        self.crash: CrashBefore | CrashAfter | None = None
        self.crashes = 0
        self._outages: list[Outage] = []
        self._counted = 0
        self._response_draws = Random(f"{plan.seed}:answers")
        self._crash_draws = Random(f"{plan.seed}:deaths")
        self._draws: dict[str, Random] = {}
        self._event_draws = Random(f"{plan.seed}:events")
        self._conflict_draws = Random(f"{plan.seed}:conflicts")
        self._association_failures: list[str] = []
        self._losses: list[Callable[[Call], bool]] = []

    def __repr__(self) -> str:
        return f"Faults({self.plan!r}, crash={self.crash!r})"

    def set_crash(self, crash: CrashBefore | CrashAfter) -> None:
        """Let a function crash at one call; it happens once."""
        self.crash = crash
        self._counted = 0

    def begin_outage(self, outage: Outage) -> None:
        """Let an operation fail from now on, until the outage ends."""
        self._outages.append(outage)

    def clear(self) -> None:
        """No more faults from now on."""
        self.plan = FaultPlan(seed=self.plan.seed)
        self.crash = None
        self._outages.clear()
        self._losses.clear()

    def lose_response(self, chosen: Callable[[Call], bool]) -> None:
        """Lose the response to the first call that is chosen, of a function or a task's program: the SDK repeats it.

        AWS has done the work.
        """
        self._losses.append(chosen)

    def fail_next_association(self, message: str = "The CIDR block could not be associated.") -> None:
        """Let the next CIDR association end as `failed`, with this StatusMessage."""
        self._association_failures.append(message)

    def next_association_failure(self) -> str | None:
        """The StatusMessage of the association that begins now, if it is to fail."""
        return self._association_failures.pop(0) if self._association_failures else None

    def before_call(self, call: Call) -> None:
        """Crash now, if this is the call."""
        if not call.takes_time:
            return
        if self._is_counted(call):
            self._counted += 1
            if isinstance(self.crash, CrashBefore) and self._counted == self.crash.call:
                self._crash(call, "before")
        if self._draws_crash(call):
            self._crash(call, "before")

    def after_call(self, call: Call) -> None:
        """Crash now, if that was the call; AWS has done the work."""
        if not call.takes_time:
            return
        if isinstance(self.crash, CrashAfter) and self._is_counted(call) and self._counted == self.crash.call:
            self._crash(call, "after")
        if self._draws_crash(call):
            self._crash(call, "after")

    def next_fault(self, call: Call, now: float) -> str:
        """The fault of the next attempt: `throttled`, `server_error`, `lost_response`, or empty for none."""
        plan = self.plan
        if not call.takes_time:
            return ""
        if any(
            (outage.name, outage.of_programs) == (call.name, call.is_by_program) and now < outage.until
            for outage in self._outages
        ):
            return "server_error"
        if lost := next((chosen for chosen in self._losses if chosen(call)), None):
            self._losses.remove(lost)
            return "lost_response"
        if call.is_by_program:
            return self.chosen("program_fault", RESPONSES) if self.occurs("program_fault") else ""
        if not plan.affects_responses:
            return ""
        drawn = self._response_draws.random()
        for kind, probability in (
            ("throttled", plan.throttled),
            ("server_error", plan.server_error),
            ("lost_response", plan.lost_response),
        ):
            if drawn < probability:
                return kind
            drawn -= probability
        return ""

    def occurs(self, kind: str, *, share: float = 1.0) -> bool:
        """Whether a fault occurs now; `kind`: the field of the plan. share: how much of its probability is meant."""
        probability: float = getattr(self.plan, kind) * share
        return probability > 0 and self._drawn(kind).random() < probability

    def chosen(self, kind: str, texts: Sequence[str]) -> str:
        """One of several texts for a fault that has occurred."""
        return self._drawn(kind).choice(texts)

    def minutes_until(self, kind: str) -> float:
        """When a fault whose probability is per minute occurs next; infinity if it has none."""
        probability: float = getattr(self.plan, kind)
        return self._drawn(kind).expovariate(-log1p(-min(probability, 0.999))) if probability > 0 else inf

    def refuses_entry(self) -> bool:
        """Whether EventBridge refuses this entry of a PutEvents call and takes the others."""
        return self.plan.entry_refused > 0 and self._event_draws.random() < self.plan.entry_refused

    def conflicts(self) -> bool:
        """Whether another write of the same object is under way, so that S3 refuses this conditional one."""
        return self.plan.write_conflict > 0 and self._conflict_draws.random() < self.plan.write_conflict

    def deliveries(self) -> Iterator[float]:
        """When an event reaches its target: a delay in seconds for each copy, none if it is lost."""
        return self._deliveries(self.plan.event_lost)

    def ticks(self) -> Iterator[float]:
        """As `deliveries`, for a tick of a schedule."""
        return self._deliveries(self.plan.tick_lost)

    def _deliveries(self, lost: float) -> Iterator[float]:
        plan = self.plan
        if not (lost or plan.event_duplicated or plan.event_delayed):
            yield 0.0
            return
        draws = [self._event_draws.random() for _ in range(4)]
        if draws[0] < lost:
            return
        yield self._event_draws.uniform(0, plan.longest_delay) if draws[1] < plan.event_delayed else 0.0
        if draws[2] < plan.event_duplicated:
            yield self._event_draws.uniform(0, plan.longest_delay) if draws[3] < plan.event_delayed else 0.0

    def _drawn(self, kind: str) -> Random:
        """The random stream of a kind."""
        if kind not in self._draws:
            self._draws[kind] = Random(f"{self.plan.seed}:{kind}")
        return self._draws[kind]

    def _is_counted(self, call: Call) -> bool:
        """Whether the crash that was set counts calls of this caller."""
        return self.crash is not None and (
            self.crash.function == call.caller or (self.crash.function == "" and call.is_by_function)
        )

    def _draws_crash(self, call: Call) -> bool:
        """Whether the process dies on this side of a call."""
        if call.is_by_program:
            return self.occurs("program_crash", share=0.5)
        return self.plan.crash > 0 and self._crash_draws.random() < self.plan.crash / 2

    def _crash(self, call: Call, side: str) -> None:
        if self.crash is not None and self._counted >= self.crash.call:
            self.crash = None
        self.crashes += 1
        message = f"killed {side} {call}"
        raise Crashed(message)
