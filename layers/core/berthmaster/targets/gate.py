"""targets_gate: a deployment waits until its tasks are healthy in everything Berthmaster registers them in.

ECS rolls back if a hook fails, so whatever may pass is waited for until the limit.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import InvalidEvent, MissingEvidence
from berthmaster.modes import Mode
from berthmaster.targets.hook import BEFORE_TASKS, SUCCEEDED, Hook, failed, in_progress, parse
from berthmaster.targets.ledger.claims import Ledger, View
from berthmaster.targets.model import Claim, ClaimKey, ClaimState, Destination, EcsSelector, Kind, Policy, Target
from berthmaster.targets.observe.inventory import Inventory
from berthmaster.targets.observe.scene import Observer
from berthmaster.targets.plan.events import wanted
from berthmaster.targets.plan.readiness import Readiness, ReadinessInput, Revision, judge
from berthmaster.targets.settings import GateSettings
from berthmaster.telemetry import logger


class Gate:
    """What targets_gate answers."""

    def __init__(self, settings: GateSettings, clients: Clients, clock: Clock) -> None:
        self._settings = settings
        self._clients = clients
        self._clock = clock
        self._ledger = Ledger(clients.dynamodb, settings.targets_table)
        self._inventory = Inventory(clients, clock)
        self._observer = Observer(clients, clock, self._ledger, self._inventory, Policy())

    def answer(self, event: Any) -> dict[str, Any]:
        """Answer one call of a hook."""
        if self._settings.targets_mode is Mode.OBSERVE:
            logger.warning("deployment not held", reason="nothing is registered in mode observe")
            return SUCCEEDED
        try:
            hook = parse(event)
        except InvalidEvent as error:
            logger.error("payload malformed", field=error.field, problem=error.problem)
            return failed(f"malformed payload: {error}")
        logger.append_keys(cluster=hook.cluster, service=hook.service, revision=hook.revision, stage=hook.stage)
        if hook.stage in BEFORE_TASKS:
            return _let_go("no task of this deployment exists at this stage")
        if hook.rolls_back:
            return _let_go("the deployment is rolled back")
        try:
            verdict = self._verdict(hook)
        except (BotoCoreError, ClientError, MissingEvidence, TimeoutError) as error:
            logger.warning("evidence missing", error=repr(error))
            return self._hold(hook, f"evidence is missing: {error}")
        if not verdict.may_go_on:
            return self._hold(hook, verdict.reason)
        for name in verdict.unused:
            logger.warning("target group not in use", target_group=name)
        return _let_go("; ".join(map(str, verdict.reports)) or "no tasks are wanted, or no destination is to have them")

    def _hold(self, hook: Hook, reason: str) -> dict[str, Any]:
        now = self._clock.now()
        since = hook.since or now
        minutes = self._settings.targets_gate_minutes
        if now - since < timedelta(minutes=minutes):
            logger.info("deployment waits", reason=reason, since=since)
            return in_progress(hook, since)
        logger.error("deployment fails", reason=reason, since=since)
        return failed(f"not ready after {minutes} minutes: {reason}")

    def _verdict(self, hook: Hook) -> Readiness:
        count = self._count(hook)
        if not count:
            return Readiness(0, 0, ())
        revision = self._revision(hook.revision)
        destinations = self._destinations(hook, revision.family)
        if not destinations:
            return Readiness(0, 0, ())
        selector = EcsSelector(hook.cluster, hook.service)
        tasks = tuple(task for task in self._observer.of_selector(selector) if revision.brought(task))
        definitions = self._inventory.definitions({task.definition for task in tasks})
        view = View()
        keys = {key for task in tasks for key in wanted(task, destinations.values(), definitions)[0]}
        self._ledger.read(view, claims=keys)
        return judge(
            ReadinessInput(
                count=count,
                tasks=tasks,
                destinations=destinations,
                definitions=definitions,
                claims=view.claims,
                targets=self._targets(destinations, view.claims),
            )
        )

    def _count(self, hook: Hook) -> int:
        """How many tasks the service is to have."""
        found = self._clients.ecs.describe_services(cluster=hook.cluster, services=[hook.service])["services"]
        if not found:
            raise MissingEvidence(f"ECS knows no service {hook.service} in cluster {hook.cluster}")
        return found[0]["desiredCount"]

    def _revision(self, arn: str) -> Revision:
        found = self._clients.ecs.describe_service_revisions(serviceRevisionArns=[arn])["serviceRevisions"]
        if not found:
            raise MissingEvidence(f"ECS knows no service revision {arn}")
        return Revision(definition=found[0]["taskDefinition"], created_at=found[0]["createdAt"])

    def _destinations(self, hook: Hook, family: str) -> dict[str, Destination]:
        """Where the tasks are to be, and ECS does not register them itself; tags are read anew."""
        selectors = {EcsSelector(hook.cluster, service=hook.service), EcsSelector(hook.cluster, family=family)}
        declared = [
            one for one in self._inventory.declarations(fresh=True)[0] if one.selector in selectors and not one.detached
        ]
        stock = self._inventory.destinations(declared, [(hook.cluster, hook.service)])
        found = {one.arn: known for one in declared if (known := stock.of(one)) is not None}
        for finding in stock.findings:
            logger.warning("destination not managed", destination=finding.destination, problem=finding.text)
        return {
            arn: one
            for arn, one in found.items()
            if f"{hook.cluster}/{hook.service}" not in {name for name, _ in one.native}
        }

    def _targets(
        self, destinations: Mapping[str, Destination], claims: Mapping[ClaimKey, Claim]
    ) -> dict[ClaimKey, Target]:
        """What target groups say of their targets; only groups with a registered claim are asked."""
        asked = {key.destination for key, claim in claims.items() if claim.state is ClaimState.REGISTERED}
        found: dict[ClaimKey, Target] = {}
        for arn in sorted(asked):
            if destinations[arn].kind is Kind.TARGET_GROUP:
                found |= self._observer.targets_of(destinations[arn])
        return found


def _let_go(reason: str) -> dict[str, Any]:
    logger.info("deployment may go on", reason=reason)
    return SUCCEEDED
