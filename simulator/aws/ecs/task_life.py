"""The life of tasks, from PROVISIONING to STOPPED, with an event on the bus at each change.

PROVISIONING            an attachment is precreated, there is no address yet
→ PENDING               the interface exists and has its address
→ (ACTIVATING)          with Cloud Map or several target groups
→ RUNNING               the process listens; HEALTHY later, if the definition has a health check
→ desired STOPPED       the first sign that it stops; still RUNNING, or DEACTIVATING
→ STOPPING              the process has its stop signal and serves on until it ends
→ DEPROVISIONING        the process has ended and the interface is gone: its address is free
→ STOPPED               described for one more hour

Source: "Amazon ECS task lifecycle" of the ECS guide; how long each step takes is not documented.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from itertools import chain
from math import inf
from random import Random
from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import EC2ClientError
from moto.moto_api._internal import mock_random

from simulator.aws.ecs.fargate import (
    FARGATE,
    FARGATE_SPOT,
    HANGING_GIVEN_UP,
    HOST_FAILED,
    INTERFACE_GIVEN_UP,
    INTERFACE_TIMEOUT,
    Fargate,
)
from simulator.aws.ecs.prices import dollars
from simulator.aws.ecs.programs import Run
from simulator.aws.ecs.sizes import cpu_units, mebibytes
from simulator.aws.ecs.task import Task, shown
from simulator.aws.ecs.task_events import no_free_address, task_state_changed
from simulator.aws.ecs.task_interfaces import FreedAddresses, create_interface, delete_interface
from simulator.aws.events.bus import DEFAULT_BUS, Buses, complete

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from simulator.account import Account
    from simulator.aws.ecs.fargate import StartFailure
    from simulator.aws.ecs.programs import Program
    from simulator.clock import Timer

PROVISIONING = 6.0
PENDING = 12.0
ACTIVATING = 5.0
UNTIL_HEALTHY = 20.0
UNTIL_STOPPING = 2.0
STOPPING = 10.0
DEPROVISIONING = 8.0
UNTIL_CRASH_IS_SEEN = 1.0
JITTER = 0.2
# From the notice to the end of the process; AWS grants two minutes.
SPOT_NOTICE = (20.0, 115.0)
SPOT_NOTICE_LIMIT = 120.0
UNTIL_EXIT_IS_SEEN = 1.0
STOPPED_TASKS_SHOWN = 3600.0


class Tasks:
    """The tasks of an account; `watchers` are called with a task after each change, when its event has been sent.

    programs: by the family of a task definition, what its tasks run. longest_lag: for how long functions may not see a
    task that RunTask has started, in seconds. errors: what programs raised, by the ARNs of their tasks.
    """

    def __init__(self, account: Account) -> None:
        self.watchers: list[Callable[[Task], None]] = []
        self.programs: dict[str, Program] = {}
        self.longest_lag = 1.0
        self.errors: dict[str, Exception] = {}
        self._account = account
        self._fargate = account.state(Fargate)
        self._rng = Random(f"{account.seed}:tasks")
        self._lag = Random(f"{account.seed}:lag of tasks")
        self.placement = Random(f"{account.seed}:placement of tasks")
        self.freed = FreedAddresses(Random(f"{account.seed}:freed addresses"))
        self._known: dict[str, Task] = {}
        self._alive: dict[str, Task] = {}
        self._runs: dict[str, Run] = {}
        self._reclaims: dict[str, Timer] = {}
        self._zones: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._vcpus: Counter[str] = Counter()
        self._stopped: deque[Task] = deque()
        self._holders: dict[str, dict[str, Task]] = {}

    def start(
        self,
        definition: Any,
        cluster: Any,
        subnet: Any,
        *,
        group: str,
        started_by: str = "",
        security_groups: Sequence[str] = (),
        tags: Sequence[dict[str, str]] = (),
        activates: bool = False,
        overrides: Mapping[str, Any] | None = None,
        capacity_provider: str = "",
    ) -> Task:
        """Begin the life of a task; `definition`, `cluster` and `subnet` are moto's."""
        account = self._account
        home = f"arn:aws:ecs:{account.region}:{account.account_id}"
        identifier = f"{mock_random.getrandbits(128):032x}"
        task = Task(
            arn=f"{home}:task/{cluster.name}/{identifier}",
            cluster=cluster.name,
            cluster_arn=cluster.arn,
            definition=definition,
            group=group,
            started_by=started_by,
            subnet=subnet,
            security_groups=list(security_groups),
            attachment=str(mock_random.uuid4()),
            container_arns=[
                f"{home}:container/{cluster.name}/{identifier}/{mock_random.uuid4()}"
                for _ in definition.container_definitions
            ],
            created_at=account.clock.now(),
            tags=list(tags),
            activates=activates,
            overrides=overrides or {},
            capacity_provider=capacity_provider,
        )
        self._known[task.arn] = self._alive[task.arn] = task
        self._zones[group][task.zone] += 1
        self._vcpus[capacity_provider or FARGATE] += cpu_units(task.cpu)
        self._change(task, "PROVISIONING")
        if self._fargate.hangs():
            self._then(task, HANGING_GIVEN_UP, lambda task: self._give_up(task, INTERFACE_TIMEOUT))
        elif reason := self._fargate.interface_failure(task.subnet_id):
            self._then(task, INTERFACE_GIVEN_UP, lambda task: self._give_up(task, reason))
        else:
            self._then(task, PROVISIONING, self._attach)
        return task

    def fail_to_start(
        self,
        definition: Any,
        cluster: Any,
        subnet: Any,
        *,
        arn: str,
        group: str,
        started_by: str,
        attachment: str,
        reason: str,
    ) -> None:
        """Show a task (with this ARN) that a scheduler of its own has tried to start, as one that failed to."""
        now = self._account.clock.now()
        container = f"{arn.replace(':task/', ':container/')}/"
        task = Task(
            arn=arn,
            cluster=cluster.name,
            cluster_arn=cluster.arn,
            definition=definition,
            group=group,
            started_by=started_by,
            subnet=subnet,
            security_groups=[],
            attachment=attachment,
            container_arns=[f"{container}{number}" for number, _ in enumerate(definition.container_definitions)],
            created_at=now,
            stopped_at=now,
        )
        self._zones[group][task.zone] += 1
        self._end(task, "TaskFailedToStart", reason)
        self._known[arn] = task
        self._stopped.append(task)
        self._change(task, "STOPPED")

    def leave(self, task: Task, stop_code: str, reason: str, *, stop_time: float | None = None) -> None:
        """Begin to stop a task; nothing changes for one that is stopping already.

        `stop_time`: how long its process takes to end, in seconds from now. A program has its `stopTimeout` instead,
        from SIGTERM on.
        """
        if task.desired_status == "STOPPED":
            return
        self._end(task, stop_code, reason)
        if not task.has_process and task.last_status != "RUNNING":
            self._change(task, task.last_status)
            self._then(task, UNTIL_STOPPING, self._deprovision)
            return
        self._change(task, "DEACTIVATING" if task.activates else task.last_status)
        until_end = self._about(UNTIL_STOPPING + STOPPING) if stop_time is None else stop_time
        until_stopping = self._about(UNTIL_STOPPING)
        task.next = self._account.clock.after(until_stopping, lambda: self._stop(task, until_end - until_stopping))

    def interrupt(self, task: Task) -> None:
        """Take a Fargate Spot task's capacity back: notice and stop signal now, the end within two minutes."""
        within = self._rng.uniform(*SPOT_NOTICE)
        self.leave(task, "TerminationNotice", "Your Spot Task was interrupted.", stop_time=within)
        if run := self._runs.get(task.arn):
            run.terminate(min(task.stop_timeout, SPOT_NOTICE_LIMIT))

    def crash(self, task: Task) -> None:
        """Let the process of a task die without a warning; where no process runs nothing happens."""
        if not task.has_process:
            return
        if run := self._runs.get(task.arn):
            run.kill()
            return
        task.has_process = False
        task.exit_code = 1
        task.ended_at = self._account.clock.now()
        if task.desired_status == "RUNNING":
            self._then(task, UNTIL_CRASH_IS_SEEN, self._crashed)

    def show_late(self, task: Task) -> None:
        """Let functions see a task that was just started a moment later."""
        task.shown_from = self._account.clock.timestamp() + self._lag.uniform(0, self.longest_lag)

    def abandon(self) -> None:
        """End all programs where they wait, since the simulation is over."""
        for run in self._runs.values():
            run.process.abandon()

    def fail_host(self, task: Task) -> None:
        """Let the hardware under a task fail: its process is gone without an exit code."""
        if task.desired_status == "STOPPED":
            return
        if run := self._runs.pop(task.arn, None):
            run.process.abandon()
        if task.has_process:
            task.has_process, task.ended_at = False, self._account.clock.now()
        self._end(task, "InfrastructureHealth", HOST_FAILED)
        self._deprovision(task)

    def alive(self) -> list[Task]:
        """The tasks not yet STOPPED, oldest first."""
        return list(self._alive.values())

    def visible(self) -> Iterator[Task]:
        """The tasks the API shows: those not yet STOPPED, and those STOPPED less than an hour ago."""
        since = self._account.clock.timestamp() - STOPPED_TASKS_SHOWN
        while self._stopped and _when(self._stopped[0]) <= since:
            self._stopped.popleft()
        return chain(self._alive.values(), self._stopped)

    def is_visible(self, task: Task) -> bool:
        """Whether the API shows this task."""
        return task.arn in self._alive or _when(task) > self._account.clock.timestamp() - STOPPED_TASKS_SHOWN

    def zones(self, group: str) -> Counter[str]:
        """How many tasks of a group that are to run each zone has."""
        return self._zones[group]

    def vcpus(self, provider: str) -> float:
        """How many vCPUs the tasks of a capacity provider have that have not stopped; empty for a launch type."""
        return self._vcpus[provider or FARGATE] / 1024

    def dollars(self) -> float:
        """What all tasks have cost until now."""
        return sum(map(self.cost, self._known.values()))

    def cost(self, task: Task) -> float:
        """What a task has cost until now, in dollars; nothing before its image is pulled."""
        if task.pull_started_at is None:
            return 0.0
        ended_at = shown(task.stopped_at or self._account.clock.now())
        seconds = (ended_at - shown(task.pull_started_at)).total_seconds()
        return dollars(
            seconds,
            cpu=cpu_units(task.cpu),
            memory=mebibytes(task.memory),
            arm=task.is_arm,
            spot=task.capacity_provider == FARGATE_SPOT,
            storage=task.storage,
            region=self._account.region,
        )

    def find(self, arn: str) -> Task | None:
        """A task, however long ago it stopped."""
        return self._known.get(arn)

    def occupant(self, address: str, subnet_id: str = "") -> Task | None:
        """Who holds an address now; without `subnet_id`, in any subnet."""
        holders = self._holders.get(address, {})
        return holders.get(subnet_id) if subnet_id else next(iter(holders.values()), None)

    def _attach(self, task: Task) -> None:
        account = self._account
        try:
            address = self.freed.pick(account, task.subnet)
        except EC2ClientError:
            self._end(task, "TaskFailedToStart", no_free_address(task.subnet))
            self._deprovision(task)
            return
        task.eni = create_interface(
            account, task.subnet, task.security_groups, address=address, attachment=task.attachment
        )
        self._holders.setdefault(task.address, {})[task.subnet_id] = task
        task.connected_at = account.clock.now()
        failure = self._fargate.start_failure(task)
        if failure is None or failure.is_pull:
            task.pull_started_at = task.connected_at
        self._change(task, "PENDING")
        pending = self._fargate.pull_seconds.get(task.family, PENDING)
        if failure is None:
            self._then(task, pending, self._activate if task.activates else self._run)
        else:
            self._then(task, pending, lambda task: self._fail(task, failure))

    def _give_up(self, task: Task, reason: str) -> None:
        self._end(task, "TaskFailedToStart", reason)
        self._deprovision(task)

    def _fail(self, task: Task, failure: StartFailure) -> None:
        if failure.is_pull:
            task.pull_stopped_at = self._account.clock.now()
            task.container_reason = failure.reason
        self._end(task, "TaskFailedToStart", failure.reason)
        self._deprovision(task)

    def _activate(self, task: Task) -> None:
        task.has_process = True
        task.pull_stopped_at = self._account.clock.now()
        self._change(task, "ACTIVATING")
        self._then(task, ACTIVATING, self._run)

    def _run(self, task: Task) -> None:
        task.has_process = True
        task.running_at = self._account.clock.now()
        task.pull_stopped_at = task.pull_stopped_at or task.running_at
        self._change(task, "RUNNING")
        if task.capacity_provider == FARGATE_SPOT:
            self._await_reclaim(task)
        if program := self.programs.get(task.family):
            run = Run(self._account, task, program, lambda run: self._exited(task, run))
            self._runs[task.arn] = run
            self._account.clock.after(0.0, run.start)
        if task.has_health_check:
            self._then(task, UNTIL_HEALTHY, self._become_healthy)

    def _await_reclaim(self, task: Task) -> None:
        minutes = self._account.faults.minutes_until("spot_reclaim")
        if minutes < inf:
            self._reclaims[task.arn] = self._account.clock.after(minutes * 60, lambda: self._reclaim(task))

    def _reclaim(self, task: Task) -> None:
        if self._account.faults.plan.spot_reclaim:
            self.interrupt(task)

    def _exited(self, task: Task, run: Run) -> None:
        del self._runs[task.arn]
        if run.error is not None:
            self.errors[task.arn] = run.error
        task.container_reason = run.container.killed_for
        task.has_process, task.exit_code, task.ended_at = False, run.exit_code, self._account.clock.now()
        if task.desired_status == "RUNNING":
            self._then(task, UNTIL_EXIT_IS_SEEN, self._crashed)
        elif task.last_status == "STOPPING":
            self._then(task, UNTIL_EXIT_IS_SEEN, self._deprovision)

    def _become_healthy(self, task: Task) -> None:
        task.health_status = "HEALTHY"
        self._change(task, "RUNNING")

    def _end(self, task: Task, stop_code: str, reason: str) -> None:
        if task.next is not None:
            task.next.cancel()
        if reclaim := self._reclaims.pop(task.arn, None):
            reclaim.cancel()
        self._zones[task.group][task.zone] -= 1
        task.desired_status, task.stop_code, task.stopped_reason = "STOPPED", stop_code, reason
        task.left_at = self._account.clock.now()

    def _crashed(self, task: Task) -> None:
        self._end(task, "EssentialContainerExited", "Essential container in task exited")
        self._deprovision(task)

    def _stop(self, task: Task, until_end: float) -> None:
        if not task.has_process and task.family in self.programs:
            self._deprovision(task)
            return
        self._change(task, "STOPPING")
        if run := self._runs.get(task.arn):
            run.terminate(task.stop_timeout)
            return
        task.next = self._account.clock.after(until_end, lambda: self._deprovision(task))

    def _deprovision(self, task: Task) -> None:
        if task.has_process:
            task.has_process, task.exit_code, task.ended_at = False, 0, self._account.clock.now()
        if task.eni is not None:
            delete_interface(self._account, task.eni)
            del self._holders[task.address][task.subnet_id]
            self.freed.add(task.subnet, task.address)
        self._change(task, "DEPROVISIONING")
        self._then(task, DEPROVISIONING, self._finish)

    def _finish(self, task: Task) -> None:
        task.stopped_at = self._account.clock.now()
        if task.stop_code == "TerminationNotice":
            task.stop_code = "SpotInterruption"
        del self._alive[task.arn]
        self._vcpus[task.capacity_provider or FARGATE] -= cpu_units(task.cpu)
        self._stopped.append(task)
        self._change(task, "STOPPED")

    def _change(self, task: Task, last_status: str) -> None:
        task.last_status = last_status
        task.version += 1
        task.updated_at = self._account.clock.now()
        event = complete(self._account, task_state_changed(task))
        self._account.state(Buses).put(DEFAULT_BUS, event)
        for watcher in self.watchers:
            watcher(task)

    def _then(self, task: Task, delay: float, step: Callable[[Task], None]) -> None:
        if task.next is not None:
            task.next.cancel()
        task.next = self._account.clock.after(self._about(delay), lambda: step(task))

    def _about(self, delay: float) -> float:
        return delay * self._rng.uniform(1 - JITTER, 1 + JITTER)


def _when(task: Task) -> float:
    return task.stopped_at.timestamp() if task.stopped_at else 0.0
