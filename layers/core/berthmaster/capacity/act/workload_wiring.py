"""Give workloads the subnets of expansions whose subnets are proved; an attempt can die before or after any call.

UpdateService replaces all tasks of a service, so it is called once for each service of an expansion. The intent is on
record before the call: if nobody knows whether it was made, the deployments of the service tell, and if they do not, it
counts as made. Services deploy at the same time as far as their new tasks find addresses.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.capacity.act.attempt import Attempt, NotManaged, NotYet
from berthmaster.capacity.act.deployments import Deployments
from berthmaster.capacity.act.workloads import AT_ONCE, DEPLOYMENT_DELAY, ServiceName, Untagged, Workloads
from berthmaster.capacity.ecs_service import primary_deployment, rollouts_of, service_of
from berthmaster.capacity.ledger.expansions import Expansion, Expansions, ExpansionState
from berthmaster.capacity.model.plan import CallerWiring, ServiceWiring
from berthmaster.capacity.model.updates import ServiceUpdate, UpdateState
from berthmaster.capacity.model.vpc import Subnet
from berthmaster.capacity.model.workloads import CallerKind
from berthmaster.capacity.plan.deployments import DeploymentState, Judgement
from berthmaster.capacity.plan.updates import Seen, closed, due, judged, room_in
from berthmaster.concurrently import concurrently
from berthmaster.errors import BerthmasterError, Refused, is_transient
from berthmaster.switch import Stopped
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ServiceTypeDef

SLOW_AFTER = timedelta(minutes=15)
"""When everything that is waited for has lasted for so long, it is looked at less often."""
SLOW_DELAY = timedelta(minutes=5)
_UNKNOWN = Judgement(state=DeploymentState.IN_PROGRESS, reason="a deployment of it is in progress")

type _Services = Mapping[ServiceName, Seen | str | None]
"""Services as they are now: None for one that is gone, the error for one that may not be read."""


@dataclass(frozen=True, slots=True)
class Wired:
    """What an attempt has come to.

    ended: expansions that are done, not saved as such yet. waiting: services whose updates are not over, and rules and
    schedules that could not be changed yet. delay: after what time to look at them again.
    """

    ended: tuple[Expansion, ...]
    waiting: tuple[str, ...]
    delay: timedelta


class WorkloadWiring:
    """One attempt for all expansions of a VPC that are in state wiring, oldest first.

    read_subnets: reads the VPC's subnets.
    """

    def __init__(self, attempt: Attempt, expansions: Expansions, read_subnets: Callable[[], Sequence[Subnet]]) -> None:
        self._attempt = attempt
        self._clock = attempt.clock
        self._expansions = expansions
        self._read_subnets = read_subnets
        self._workloads = Workloads(attempt)
        self._deployments = Deployments(attempt)

    def carry_out(self, expansions: Sequence[Expansion]) -> Wired:
        """Do what can be done now.

        Raises NotYet if this invocation has no time left, Stopped if the automation is paused, NotManaged if the VPC is
        no longer tagged.
        """
        services = self._see(expansions)
        expansions = [self._judge(one, services) for one in expansions]
        expansions = self._update_services(expansions, services)
        expansions = [self._wire_callers(one) for one in expansions]
        now = self._clock.now()
        ended = tuple(_done(one, now) for one in expansions if not (_open(one) or _unchanged(one)))
        updates = [update for one in expansions for update in _open(one)]
        callers = [_caller_label(caller) for one in expansions for caller in _unchanged(one)]
        delay = DEPLOYMENT_DELAY if callers else _delay(updates, now)
        return Wired(ended, (*(one.label for one in updates), *callers), delay)

    def _see(self, expansions: Iterable[Expansion]) -> _Services:
        """The services with open updates, and how the deployments fare of those that are to be called."""
        updates = [update for one in expansions for update in _open(one)]
        shown = self._workloads.read(dict.fromkeys(one.name for one in updates))
        services: dict[ServiceName, Seen | str | None] = {}
        for update in updates:
            if update.name not in services:
                found = shown.get(update.name)
                services[update.name] = _seen(found) if found else self._why_missing(update.name)
        pending = [
            one
            for one in updates
            if one.state is UpdateState.PENDING and one.name in shown and not _is_settled(shown[one.name])
        ]
        if pending:
            services.update(self._judgements(pending, shown))
        return services

    def _why_missing(self, name: ServiceName) -> Seen | str | None:
        try:
            shown = self._workloads.look(*name)
        except ClientError as error:
            if is_transient(error):
                raise
            return str(error)
        return _seen(shown) if shown else None

    def _judgements(
        self, updates: Iterable[ServiceUpdate], shown: Mapping[ServiceName, "ServiceTypeDef"]
    ) -> Mapping[ServiceName, Seen]:
        """Services whose deployments have not ended, with what those are; one that cannot be read is waited for."""

        def judge(update: ServiceUpdate) -> Judgement:
            short = {one.origin for one in self._subnets if one.id in update.subnet_ids}
            members = {one.id for one in self._subnets if one.origin in short}
            return self._deployments.judge(shown[update.name], members)

        outcomes = concurrently(judge, updates, at_once=AT_ONCE, may_begin=lambda: self._attempt.has_time)
        return {
            one.item.name: replace(_seen(shown[one.item.name]), judgement=one.value or _UNKNOWN) for one in outcomes
        }

    def _judge(self, expansion: Expansion, services: _Services) -> Expansion:
        now, resumed_at = self._clock.now(), self._attempt.switch.resumed_at()
        updates = tuple(
            _judged(one, services[one.name], now, resumed_at) if one.state.is_open else one for one in expansion.updates
        )
        if updates == expansion.updates:
            return expansion
        for one in updates:
            if one not in expansion.updates:
                logger.info("service judged", service=one.label, state=one.state, reason=one.reason)
        return self._save(expansion, updates=updates)

    @cached_property
    def _subnets(self) -> Sequence[Subnet]:
        return self._read_subnets()

    def _update_services(self, expansions: Sequence[Expansion], services: _Services) -> list[Expansion]:
        """Make the updates that are due."""
        updates = [update for one in expansions for update in _open(one)]
        if all(one.state is not UpdateState.PENDING for one in updates):
            return list(expansions)
        seen = {name: one for name, one in services.items() if isinstance(one, Seen)}
        chosen = due(updates, seen, room_in(self._subnets))
        updated = []
        for before in expansions:
            expansion = before
            for update in (one for one in _open(before) if one in chosen):
                expansion = self._update(expansion, update, seen[update.name])
            updated.append(expansion)
        return updated

    def _update(self, expansion: Expansion, update: ServiceUpdate, seen: Seen) -> Expansion:
        """Call UpdateService, with the intent on record; what cannot be updated does not stop the others."""
        self._attempt.check()
        try:
            shown = self._workloads.look(update.cluster, update.service)
            if shown is None:
                return self._record(expansion, replace(update, state=UpdateState.GONE))
            now = _seen(shown)
            if now.service.deploying and now.primary.id != seen.primary.id:
                # Another deployment has begun since it was judged.
                return expansion
            if set(update.subnet_ids) <= set(now.service.subnet_ids):
                return self._record(expansion, replace(update, state=UpdateState.WIRED))
            self._workloads.require_tag(shown)
        except (Untagged, ClientError) as error:
            return self._leave_out(expansion, update, error)
        return self._call(expansion, update, shown)

    def _call(self, expansion: Expansion, update: ServiceUpdate, shown: "ServiceTypeDef") -> Expansion:
        called = replace(
            update,
            state=UpdateState.CALLED,
            called_at=self._clock.now(),
            deployment_before=_seen(shown).primary.id,
            since=None,
        )
        expansion = self._record(expansion, called)
        try:
            deployment = self._workloads.set_subnets(shown, add=update.subnet_ids)
        except (Stopped, NotManaged, NotYet):
            # What `check` raises comes before the call.
            self._record(expansion, update)
            raise
        except Refused as error:
            return self._leave_out(expansion, update, error)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] < HTTPStatus.INTERNAL_SERVER_ERROR:
                return self._leave_out(expansion, update, error)
            logger.warning("UpdateService may have been called", service=update.label, error=str(error))
            return expansion
        except BotoCoreError as error:
            logger.warning("UpdateService may have been called", service=update.label, error=str(error))
            return expansion
        logger.info("service updated", expansion=expansion.id, service=update.label, subnets=update.subnet_ids)
        return self._record(expansion, replace(called, state=UpdateState.DEPLOYING, deployment=deployment))

    def _leave_out(self, expansion: Expansion, update: ServiceUpdate, error: Exception) -> Expansion:
        """Nothing was done; after a transient error it is tried again."""
        if isinstance(error, ClientError) and is_transient(error):
            return self._record(expansion, update)
        logger.warning("workload left out", expansion=expansion.id, workload=update.label, error=str(error))
        now = self._clock.now()
        return self._record(expansion, replace(update, state=UpdateState.LEFT_OUT, since=now, reason=str(error)))

    def _record(self, expansion: Expansion, update: ServiceUpdate) -> Expansion:
        updates = tuple(update if one.name == update.name else one for one in expansion.updates)
        return expansion if updates == expansion.updates else self._save(expansion, updates=updates)

    def _wire_callers(self, expansion: Expansion) -> Expansion:
        """Change rules and schedules. One that cannot be changed now makes no other wait, and is tried again."""
        wired = list(expansion.wired)
        try:
            for caller in _unchanged(expansion):
                label = _caller_label(caller)
                self._attempt.check()
                try:
                    self._workloads.change_caller(caller, add=subnets_for(caller, expansion))
                except (Refused, Untagged, NotYet, ClientError) as error:
                    if isinstance(error, NotYet) or (isinstance(error, ClientError) and is_transient(error)):
                        logger.warning("workload not changed", expansion=expansion.id, workload=label, error=str(error))
                        continue
                    logger.warning("workload left out", expansion=expansion.id, workload=label, error=str(error))
                    why = {**expansion.left_out_because, label: str(error)}
                    left_out = (*expansion.left_out, label)
                    expansion = self._save(expansion, left_out=left_out, left_out_because=why)
                else:
                    wired.append(label)
        except (BerthmasterError, ClientError):
            if wired != list(expansion.wired):
                self._save(expansion, wired=tuple(wired))
            raise
        if wired == list(expansion.wired):
            return expansion
        return self._save(expansion, wired=tuple(wired))

    def _save(self, expansion: Expansion, **changes: Any) -> Expansion:
        return self._expansions.save(replace(expansion, changed_at=self._clock.now(), **changes))


def begun(expansion: Expansion, now: datetime) -> Expansion:
    """An expansion whose subnets are proved: it is wiring, or done if no workload is to list them."""
    plan = expansion.plan
    updates = tuple(
        ServiceUpdate(
            cluster=one.cluster,
            service=one.service,
            subnet_ids=tuple(subnets_for(one, expansion)),
            asked=expansion.asked,
        )
        for one in plan.services
    )
    state = ExpansionState.WIRING if plan.services or plan.callers else ExpansionState.DONE
    return expansion.moved(state, now, updates=updates)


def ended_early(expansion: Expansion, why: str) -> Mapping[str, Any]:
    """The changes of an expansion that ends before it is done: what nobody looks at any more, and what is left."""
    updates = tuple(closed(one, why) for one in expansion.updates)
    return {"updates": updates, "left_out": _not_wired(replace(expansion, updates=updates))}


def subnets_for(wiring: ServiceWiring | CallerWiring, expansion: Expansion) -> list[str]:
    """The ids of the subnets to add."""
    return [*(expansion.subnet_ids[str(cidr)] for cidr in wiring.add_cidrs), *wiring.add_ids]


def _open(expansion: Expansion) -> list[ServiceUpdate]:
    return [one for one in expansion.updates if one.state.is_open]


def _unchanged(expansion: Expansion) -> list[CallerWiring]:
    """The rules and schedules that are still to be changed."""
    done = {*expansion.wired, *expansion.left_out}
    return [one for one in expansion.plan.callers if _caller_label(one) not in done]


def _seen(shown: "ServiceTypeDef") -> Seen:
    """A service whose deployments have all ended, as far as is known."""
    return Seen(service=service_of(shown), rollouts=rollouts_of(shown))


def _is_settled(shown: "ServiceTypeDef") -> bool:
    deployment = primary_deployment(shown)
    return deployment is None or deployment.is_settled


def _judged(update: ServiceUpdate, seen: Seen | str | None, now: datetime, resumed_at: datetime) -> ServiceUpdate:
    if not isinstance(seen, str):
        return judged(update, seen, now, resumed_at)
    ended = closed(update, seen)
    return replace(ended, since=now) if ended.state is UpdateState.LEFT_OUT else ended


def _delay(updates: Sequence[ServiceUpdate], now: datetime) -> timedelta:
    ages = [now - (one.called_at or one.since or now) for one in updates]
    return SLOW_DELAY if min(ages, default=SLOW_AFTER) >= SLOW_AFTER else DEPLOYMENT_DELAY


def _done(expansion: Expansion, now: datetime) -> Expansion:
    wired = [one.label for one in expansion.updates if one.state is UpdateState.WIRED]
    left_out = _not_wired(expansion)
    return expansion.moved(ExpansionState.DONE, now, wired=(*expansion.wired, *wired), left_out=left_out)


def _not_wired(expansion: Expansion) -> tuple[str, ...]:
    """The services, rules and schedules that do not list the new subnets, although those can be used."""
    if not expansion.proved:
        return ()
    services = [one.label for one in expansion.updates if one.state in _NOT_LISTED]
    if not expansion.updates:
        services = [f"{one.cluster} {one.service}" for one in expansion.plan.services]
    callers = [_caller_label(one) for one in expansion.plan.callers]
    return (*services, *(label for label in callers if label not in expansion.wired))


_NOT_LISTED = frozenset(
    {
        UpdateState.PENDING,
        UpdateState.CALLED,
        UpdateState.LEFT_OUT,
        UpdateState.ROLLED_BACK,
        UpdateState.RESET,
        UpdateState.UNKNOWN,
    }
)


def _caller_label(caller: CallerWiring) -> str:
    """For people, and of no other: a rule has several targets, and groups have schedules of the same name."""
    if caller.kind is CallerKind.RULE:
        return f"{caller.kind} {caller.name} (target {caller.target_id})"
    return f"{caller.kind} {caller.group}/{caller.name}"
