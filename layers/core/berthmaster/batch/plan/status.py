"""Where a file is, why it waits, and what happens next: pure, as sentences that people understand.

Several things may hold a file back at once. The one that is named is what has to end first.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from berthmaster.batch.model.breaker import Breaker, BreakerState
from berthmaster.batch.model.budgets import Budget
from berthmaster.batch.model.dispatcher import Dispatcher
from berthmaster.batch.model.files import File, Launch, State
from berthmaster.batch.model.pipelines import PARAMETERS, Pipeline
from berthmaster.batch.model.workers import WorkerCounts
from berthmaster.batch.plan.identity import is_worker
from berthmaster.batch.plan.launch_rate import MOST, rate_at
from berthmaster.batch.plan.overdue import STUCK
from berthmaster.batch.plan.placement import QUOTA_PAUSE, QUOTAS, for_file, placed, tried_again_at
from berthmaster.batch.plan.places import manifest_key, published_prefix
from berthmaster.modes import Mode

OVERDUE = timedelta(minutes=5)
"""A file that nothing holds back is launched sooner."""
UPLOAD_AGAIN = "To have it processed, upload it again or copy it onto itself: that is a new version, and so a new file."


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What decides about the files of a pipeline now.

    stopped: why batch does nothing at all, as its switch says; empty if it does. pipeline: as it is in force, None if
    it is not. tasks: that count against its limit; workers: among those. ahead: files that are due before the file.
    dispatcher: what it knew when it last ended. budget: of the day, None without a limit. may_cost: dollars, what a
    task of the file may cost at most.
    """

    now: datetime
    mode: Mode
    stopped: str
    pipeline: Pipeline | None
    tasks: int
    ahead: int
    breaker: Breaker
    dispatcher: Dispatcher
    workers: WorkerCounts = field(default_factory=WorkerCounts)
    budget: Budget | None = None
    may_cost: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """why: where a file is, and why. then: what happens next, or what to do. at: when that is, None if nobody knows."""

    why: str
    then: str
    at: datetime | None = None

    @property
    def text(self) -> str:
        """All of it."""
        return f"{self.why} {self.then}"


def status(file: File, situation: Situation) -> Status:
    """Where a file is, why, and what happens next."""
    return _BY_STATE[file.state](file, situation)


def moment(at: datetime) -> str:
    """A time for people."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def nothing_waits(pipeline: Pipeline | None) -> Status:
    """What is said of a pipeline of which no file waits. pipeline: as it is in force, None if it is not."""
    if pipeline is None:
        return Status(why="No file of it waits.", then="It is not in force, so no new ones are taken in.")
    then = (
        "Those that come wait, since its document says `paused`."
        if pipeline.paused
        else "Those that come are launched."
    )
    return Status(why="No file of it waits.", then=then)


# Waiting


def _waiting(file: File, now: Situation) -> Status:
    causes = (
        _by_switch,
        _by_pipeline,
        _by_breaker,
        _by_backoff,
        _by_workers,
        _by_limit,
        _by_budget,
        _by_quota,
        _by_capacity,
    )
    found = next(filter(None, (cause(file, now) for cause in causes)), None) or _in_turn(file, now)
    if not file.launch or found.why.endswith(file.reason):
        return found
    last = f"Its last task has stopped: {file.reason}"
    return Status(why=f"{found.why} {last}", then=found.then, at=found.at)


def _by_switch(_: File, now: Situation) -> Status | None:
    if now.mode in {Mode.OFF, Mode.OBSERVE}:
        return Status(
            why=f"It waits because nothing is launched: the mode is {now.mode}.",
            then="It is launched when the parameter BatchMode of the stack is `enforce`.",
        )
    if now.stopped:
        return Status(
            why=f"It waits because nothing is launched: {now.stopped}.",
            then="It is launched after Resume Requested; the stack's output BatchResumeCommand is the command.",
        )
    return None


def _by_pipeline(file: File, now: Situation) -> Status | None:
    if now.pipeline is None:
        return Status(
            why=f"It waits because its pipeline {file.pipeline} is not in force.",
            then=f"Put a valid document into the parameter {PARAMETERS}{file.pipeline}, or send Cancel Requested.",
        )
    if now.pipeline.paused:
        return Status(
            why=f"It waits because the document of its pipeline {file.pipeline} says `paused`.",
            then=f"It is launched when the parameter {PARAMETERS}{file.pipeline} does not say so any more.",
        )
    return None


def _by_breaker(_: File, now: Situation) -> Status | None:
    breaker = now.breaker
    if breaker.state is BreakerState.CLOSED:
        return None
    since = f" since {moment(breaker.since)}" if breaker.since else ""
    why = f"It waits because its pipeline is out of order{since}: {breaker.diagnosis}"
    if breaker.state is BreakerState.PROBING:
        return Status(
            why=why,
            then=(
                f"The worker {breaker.canary} is being tried: if it works, others are launched."
                if is_worker(breaker.canary)
                else f"The file {breaker.canary} is being tried: if its container runs, all are launched."
            ),
        )
    at = f" at {moment(breaker.probe_at)} at the latest" if breaker.probe_at else " soon"
    return Status(
        why=why,
        then=f"One file is tried{at}, and as soon as the pipeline or its task definition has changed.",
        at=breaker.probe_at,
    )


def _by_backoff(file: File, now: Situation) -> Status | None:
    if file.due <= now.now:
        return None
    attempts = f", with {file.attempts} of {now.pipeline.limits.attempts} attempts used" if now.pipeline else ""
    return Status(
        why=f"It waits until {moment(file.due)}{attempts}: {file.reason}",
        then="Then it is launched again; Cancel Requested prevents that.",
        at=file.due,
    )


def _by_workers(file: File, now: Situation) -> Status | None:
    """Workers will come to it: nothing else holds it back."""
    workers = now.workers
    if file.is_alone or not (workers.running or workers.starting):
        return None
    return Status(
        why=(
            f"It waits for a worker: {_workers(workers)}, and {_files(now.ahead)} of its pipeline"
            f" {'is' if now.ahead == 1 else 'are'} due before."
        ),
        then="Workers take files nearly in the order in which they came; more are launched if the goal needs them.",
    )


def _by_limit(file: File, now: Situation) -> Status | None:
    if now.pipeline is None or now.tasks < now.pipeline.limits.tasks:
        return None
    return Status(
        why=(
            f"It waits because its pipeline has as many tasks as it may: {now.tasks}, and `limits.tasks` is"
            f" {now.pipeline.limits.tasks}. {_files(now.ahead)} of it are due before."
        ),
        then=f"Tasks have to end first; or raise `limits.tasks` in the parameter {PARAMETERS}{file.pipeline}.",
    )


def _by_budget(_: File, now: Situation) -> Status | None:
    budget = now.budget
    if budget is None or budget.left >= now.may_cost:
        return None
    spent = (
        f"of ${budget.limit:,.2f} for {budget.day} (UTC), ${budget.booked:,.4f} are spent, tasks in flight may cost"
        f" ${budget.in_flight:,.4f} until their deadlines, and its own ${now.may_cost:,.4f}"
    )
    if not budget.is_reached(now.may_cost):
        return Status(
            why=f"It waits because its pipeline might exceed `limits.dollarsPerDay`: {spent}.",
            then="It is launched when tasks have ended that cost less; or raise the limit, or lower `timeoutMinutes`.",
        )
    then = "It goes on at midnight UTC, or when `limits.dollarsPerDay` is raised"
    if budget.verdict is None:
        then += "; Proposal Approved for the proposal of Budget Reached lets it go on today"
    return Status(
        why=f"It waits because its pipeline has reached `limits.dollarsPerDay`: {spent}.",
        then=f"{then}.",
        at=datetime.combine(budget.day + timedelta(days=1), time(), UTC),
    )


def _by_quota(file: File, now: Situation) -> Status | None:
    if now.pipeline is None or placed(now.dispatcher, for_file(file, now.pipeline), now.now)[1]:
        return None
    waits = [one for one in now.dispatcher.quotas if not one.is_over]
    if not waits:
        return None
    names = " and ".join(f"`{QUOTAS[one.provider]}`" for one in waits)
    return Status(
        why=f"It waits because the account's quota {names} is used up, by this stack or others.",
        then="One launch is tried every minute; have the quota raised in Service Quotas, or let fewer tasks run.",
        at=min(one.tried_at for one in waits) + QUOTA_PAUSE,
    )


def _by_capacity(file: File, now: Situation) -> Status | None:
    if now.pipeline is None or placed(now.dispatcher, for_file(file, now.pipeline), now.now)[1]:
        return None
    return Status(
        why=f"It waits because Fargate has no capacity in the subnets {', '.join(now.pipeline.run.subnets)}.",
        then="They are tried again after a minute or two; a subnet in another zone may have room.",
        at=tried_again_at(now.dispatcher, now.now),
    )


def _in_turn(file: File, now: Situation) -> Status:
    rate = rate_at(now.dispatcher.rate, now.now)
    before = f" {_files(now.ahead)} of its pipeline are due before." if now.ahead else ""
    if rate < MOST:
        return Status(
            why=f"It waits its turn: AWS throttles launches, of which {rate:.0f} a second are made.{before}",
            then="The rate rises by one with every second without throttling.",
        )
    if now.now - file.due > OVERDUE + timedelta(seconds=now.ahead / rate):
        return Status(
            why=f"It has been due since {moment(file.due)}, and nothing is known that holds it back.{before}",
            then=(
                "Look at the alarms of batch_dispatch and at its log; if its dead-letter queue holds messages, the"
                " stack's output BatchDispatchRedriveCommand is the command that returns them."
            ),
        )
    return Status(
        why=f"It is about to be launched.{before}",
        then="Launches are made as fast as AWS allows, the pipelines in turns, and at least once a minute.",
        at=now.now + timedelta(seconds=1 + now.ahead / rate),
    )


# In flight


def _launching(file: File, _: Situation) -> Status:
    launch = _launch(file)
    return Status(
        why=f"RunTask was called at {moment(launch.requested_at)}, and whether it has started a task is not known yet.",
        then="If no answer or event says so, the same request is made again, which starts no second task.",
        at=file.due,
    )


def _starting(file: File, _: Situation) -> Status:
    launch = _launch(file)
    return _stopping(launch) or Status(
        why=f"ECS has accepted its task {launch.task} at {moment(file.since)}; it has not started yet.",
        then=f"If it does not run by {moment(launch.requested_at + STUCK)}, it is stopped and launched again.",
        at=launch.requested_at + STUCK,
    )


def _running(file: File, _: Situation) -> Status:
    launch = _launch(file)
    if file.claim:
        return Status(
            why=f"The worker {file.claim.owner} works on it since {moment(file.claim.at)}.",
            then=(
                f"Its result is committed when the worker reports it; at {moment(launch.deadline)} it is given up."
                " If the worker ends before, or gives no sign of life for 90 seconds, another one takes it."
            ),
            at=launch.deadline,
        )
    started_at = launch.started_at or file.since
    ends_at = started_at + (launch.deadline - launch.requested_at)
    return _stopping(launch) or Status(
        why=f"Its task {launch.task} has been running since {moment(started_at)}.",
        then=f"Its result is committed when it ends; if it still runs at {moment(ends_at)}, it is stopped.",
        at=ends_at,
    )


def _stopping(launch: Launch) -> Status | None:
    if not launch.stopped_for:
        return None
    return Status(
        why=f"Its task {launch.task} is being stopped ({launch.stopped_for}).",
        then="When ECS says that it has stopped, the file is tried again if its pipeline allows it.",
    )


def _committing(file: File, _: Situation) -> Status:
    if file.reason:
        return Status(
            why=f"Its task has ended well, and committing its result takes more than one try: {file.reason}",
            then="It is tried again, at least every ten minutes, until it succeeds; if AWS denies something, grant it.",
            at=file.due,
        )
    return Status(
        why=f"Its task has ended well, and since {moment(file.since)} its result is being committed.",
        then="That takes seconds, or minutes if it has very many objects.",
    )


# Ends


def _committed(file: File, now: Situation) -> Status:
    manifest = ""
    if now.pipeline:
        bucket = now.pipeline.output.bucket
        manifest = f"The manifest s3://{bucket}/{manifest_key(now.pipeline, file.id)} names its objects"
        if file.is_published:
            manifest += f"; they are below s3://{bucket}/{published_prefix(now.pipeline, file.key)} as well"
        manifest += "."
    reason = f" It is not published under stable names: {file.reason}" if file.reason else ""
    return Status(
        why=f"It has its result since {moment(file.since)}, that of launch {file.result_of}.{reason}",
        then=manifest or "Its pipeline is not in force any more: its manifest is below the output prefix it had.",
    )


def _dead(file: File, _: Situation) -> Status:
    return Status(
        why=f"It has failed at {moment(file.since)}: {file.reason}",
        then="It is not tried again by itself. When the cause is fixed, send Replay Requested.",
    )


def _skipped(file: File, _: Situation) -> Status:
    return Status(why=f"Nothing was to be done for it: {file.reason}.", then=UPLOAD_AGAIN)


def _superseded(file: File, _: Situation) -> Status:
    return Status(
        why=f"It gets no result, since {file.reason}.",
        then="Ask for the status of the key, without a version id, to see that of the newest version.",
    )


def _cancelled(file: File, _: Situation) -> Status:
    launch = file.launch
    is_stopping = launch and launch.task and launch.stopped_for and not launch.stopped_at
    task = ""
    if launch and is_stopping:
        task = (
            " Its worker stops working on it within half a minute."
            if launch.is_claim
            else " Its task is stopped within two minutes."
        )
    return Status(
        why=f"It was cancelled at {moment(file.since)}: {file.reason}.{task}",
        then="To have it processed after all, send Replay Requested.",
    )


def _vanished(file: File, _: Situation) -> Status:
    return Status(why=f"It gets no result: {file.reason}.", then="Upload it again to have it processed.")


def _observed(file: File, _: Situation) -> Status:
    return Status(
        why=f"It was recorded and is not processed: {file.reason}.",
        then=f"That does not change with the mode. {UPLOAD_AGAIN}",
    )


_BY_STATE: dict[State, Callable[[File, Situation], Status]] = {
    State.WAITING: _waiting,
    State.LAUNCHING: _launching,
    State.STARTING: _starting,
    State.RUNNING: _running,
    State.COMMITTING: _committing,
    State.COMMITTED: _committed,
    State.DEAD: _dead,
    State.SKIPPED: _skipped,
    State.SUPERSEDED: _superseded,
    State.CANCELLED: _cancelled,
    State.VANISHED: _vanished,
    State.OBSERVED: _observed,
}


def _launch(file: File) -> Launch:
    if file.launch is None:
        raise ValueError(f"file {file.id} was never launched")
    return file.launch


def _workers(counts: WorkerCounts) -> str:
    numbers = ((counts.running, "run"), (counts.starting, "start"))
    return ", ".join(f"{number:,} {does}{'s' if number == 1 else ''}" for number, does in numbers if number)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"
