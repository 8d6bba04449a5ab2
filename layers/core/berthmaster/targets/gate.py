"""targets_gate: a deployment waits until its tasks are healthy wherever Berthmaster registers them.

ECS rolls back if a hook fails, so until the limit the gate waits for everything that may still come right, and it
answers before Lambda ends it.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently, results_of
from berthmaster.errors import InvalidEvent, MissingEvidence
from berthmaster.invocation import Invocation
from berthmaster.modes import Mode
from berthmaster.paced_reads import AT_ONCE, PacedReads
from berthmaster.switch import Switch
from berthmaster.targets.hook import BEFORE_TASKS, SUCCEEDED, Hook, failed, in_progress, parse
from berthmaster.targets.ledger.attributes import AttributeLedger
from berthmaster.targets.ledger.claims import ClaimLedger, View
from berthmaster.targets.model import AUTOMATION, Claim, ClaimKey, ClaimState, Destination, EcsSelector, Kind, Target
from berthmaster.targets.observe.destinations import DestinationReader
from berthmaster.targets.observe.ecs import EcsTasks
from berthmaster.targets.observe.ecs_registrations import EcsService
from berthmaster.targets.observe.registered import Registered
from berthmaster.targets.observe.task_definitions import TaskDefinitions
from berthmaster.targets.plan.events import endpoints_of
from berthmaster.targets.plan.readiness import Readiness, ReadinessInput, Revision, judge
from berthmaster.targets.settings import GateSettings
from berthmaster.telemetry import logger

TIME_FOR_CALLS = timedelta(seconds=8)
"""With less time left, nothing more is read: a call that fails or is slow takes seconds."""


class Gate:
    """What targets_gate answers."""

    def __init__(self, settings: GateSettings, clients: Clients, clock: Clock) -> None:
        self._settings = settings
        self._clients = clients
        self._clock = clock
        table, mode = settings.targets_table, settings.targets_mode
        self._switch = Switch(clients.dynamodb, clock, table=table, automation=AUTOMATION, mode=mode)
        self._ledger = ClaimLedger(clients.dynamodb, table, clock)
        self._reads = PacedReads(clients.dynamodb, table, clock, rate=settings.read_rate, urgent=True)
        attributes = AttributeLedger(clients.dynamodb, table)
        self._destination_reader = DestinationReader(clients, clock, self._reads, attributes)
        self._tasks = EcsTasks(clients, clock)
        self._registered = Registered(clients, clock, self._reads)
        self._definitions = TaskDefinitions(clients)

    def answer(self, event: Any, invocation: Invocation) -> dict[str, Any]:
        """Answer one call of a hook."""
        self._reads.begin(invocation.deadline)
        mode = self._settings.targets_mode
        if mode in {Mode.OBSERVE, Mode.OFF}:
            return _not_held(f"nothing is registered in mode {mode}")
        try:
            hook = parse(event)
        except InvalidEvent as error:
            logger.error("payload malformed", field=error.field, problem=error.problem)
            return failed(f"malformed payload: {error}")
        logger.append_keys(cluster=hook.cluster, service=hook.service, revision=hook.revision, stage=hook.stage)
        if hook.stage in BEFORE_TASKS:
            return _continue("no task of this deployment exists at this stage")
        if hook.rolls_back:
            return _continue("the deployment is rolled back")
        return self._judged(hook, invocation)

    def _judged(self, hook: Hook, invocation: Invocation) -> dict[str, Any]:
        try:
            if reason := self._switch.reason():
                return _not_held(reason)
            readiness = self._readiness(hook, invocation)
        except (BotoCoreError, ClientError, MissingEvidence, TimeoutError) as error:
            logger.warning("evidence missing", error=repr(error))
            return self._hold(hook, f"evidence is missing: {error}")
        if not readiness.may_continue:
            return self._hold(hook, readiness.reason)
        for name in readiness.unused:
            logger.warning("target group not in use", target_group=name)
        return _continue(readiness.found)

    def _hold(self, hook: Hook, reason: str) -> dict[str, Any]:
        now = self._clock.now()
        since = hook.since or now
        minutes = self._settings.targets_gate_minutes
        if now - since < timedelta(minutes=minutes):
            logger.info("deployment waits", reason=reason, since=since)
            return in_progress(hook, since)
        logger.error("deployment fails", reason=reason, since=since)
        return failed(f"not ready after {minutes} minutes: {reason}")

    def _readiness(self, hook: Hook, invocation: Invocation) -> Readiness:
        service = self._service(hook)
        if not service.desired_count:
            return Readiness(0, 0)
        revision = self._revision(hook.revision)
        self._require_time(invocation)
        destinations = self._destinations(hook, revision.family)
        if not destinations:
            return Readiness(0, 0)
        self._require_time(invocation)
        selector = EcsSelector(hook.cluster, services=(hook.service,))
        tasks = tuple(task for task in self._tasks.selected(selector) if revision.includes(task))
        if service.shifts_traffic and hook.is_before_shift:
            names = sorted(one.name for one in destinations.values())
            return Readiness(service.desired_count, len(tasks), later=tuple(names))
        self._require_time(invocation)
        arns = {task.definition for task in tasks}
        for error in self._definitions.read(arns).values():
            raise error
        definitions = self._definitions.by_arn(arns)
        view = View()
        keys = {key for task in tasks for key in endpoints_of(task, destinations.values(), definitions)[0]}
        self._ledger.read(view, claims=keys)
        return judge(
            ReadinessInput(
                count=service.desired_count,
                tasks=tasks,
                destinations=destinations,
                definitions=definitions,
                claims=view.claims,
                targets=self._targets(destinations, view.claims, invocation),
            )
        )

    def _has_time(self, invocation: Invocation) -> bool:
        return invocation.time_left(self._clock.now()) > TIME_FOR_CALLS

    def _require_time(self, invocation: Invocation) -> None:
        if not self._has_time(invocation):
            raise TimeoutError("no time left in this invocation")

    def _service(self, hook: Hook) -> EcsService:
        """The service as it is now; what is remembered of it may be older than its deployment."""
        services = self._destination_reader.ecs_registrations
        services.forget(hook.cluster, hook.service)
        found, failed = services.described([(hook.cluster, hook.service)], self._clock.now())
        for error in failed.values():
            raise error
        service = found[hook.cluster, hook.service]
        if not service.arn:
            raise MissingEvidence(f"ECS does not know the service {hook.service} in cluster {hook.cluster}")
        return service

    def _revision(self, arn: str) -> Revision:
        found = self._clients.ecs.describe_service_revisions(serviceRevisionArns=[arn])["serviceRevisions"]
        if not found:
            raise MissingEvidence(f"ECS does not know the service revision {arn}")
        return Revision(definition=found[0]["taskDefinition"], created_at=found[0]["createdAt"])

    def _destinations(self, hook: Hook, family: str) -> dict[str, Destination]:
        """Where Berthmaster is to register the tasks; tags are read again, since they may have just changed."""
        declared = [
            one
            for one in self._destination_reader.declarations.read(fresh=True).declarations
            if isinstance(one.selector, EcsSelector)
            and one.selector.includes(hook.cluster, hook.service, family)
            and not one.detached
        ]
        read = self._destination_reader.read(declared, [(hook.cluster, hook.service)])
        found = {one.arn: known for one in declared if (known := read.of(one)) is not None}
        for finding in read.findings:
            logger.warning("destination not managed", destination=finding.destination, problem=finding.text)
        service = f"{hook.cluster}/{hook.service}"
        return {arn: one for arn, one in found.items() if service not in {name for name, _ in one.registered_by_ecs}}

    def _targets(
        self, destinations: Mapping[str, Destination], claims: Mapping[ClaimKey, Claim], invocation: Invocation
    ) -> dict[ClaimKey, Target]:
        """What target groups show of their targets; only groups with a registered claim are asked."""
        asked = {key.destination for key, claim in claims.items() if claim.state is ClaimState.REGISTERED}
        groups = [destinations[arn] for arn in sorted(asked) if destinations[arn].kind is Kind.TARGET_GROUP]
        found = concurrently(
            self._registered.in_destination,
            groups,
            at_once=AT_ONCE,
            may_begin=lambda: self._has_time(invocation),
        )
        return {key: target for targets in results_of(found) for key, target in targets.items()}


def _continue(reason: str) -> dict[str, Any]:
    logger.info("deployment continues", reason=reason)
    return SUCCEEDED


def _not_held(reason: str) -> dict[str, Any]:
    logger.warning("deployment not held", reason=reason)
    return SUCCEEDED
