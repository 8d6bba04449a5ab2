"""A whole destination: what should be registered, what is claimed, and what is registered."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.failures import Failures
from berthmaster.invocation import Invocation
from berthmaster.paced_reads import PacedReads
from berthmaster.targets.ledger.claims import ClaimLedger, View
from berthmaster.targets.model import Claim, ClaimKey, Declaration, Destination, EcsSelector, EksSelector, Kind, Policy
from berthmaster.targets.observe.address_takeovers import AddressTakeovers
from berthmaster.targets.observe.desired import Desired
from berthmaster.targets.observe.desired_pods import DesiredPods
from berthmaster.targets.observe.desired_tasks import DesiredTasks
from berthmaster.targets.observe.destinations import DestinationReader, Destinations
from berthmaster.targets.observe.ecs import EcsTasks
from berthmaster.targets.observe.failed_reads import AWS_FAILED
from berthmaster.targets.observe.interfaces import Interfaces
from berthmaster.targets.observe.kubernetes import Kubernetes
from berthmaster.targets.observe.quotas import Limits
from berthmaster.targets.observe.registered import Registered
from berthmaster.targets.observe.target_counts import TargetCounts
from berthmaster.targets.observe.task_definitions import TaskDefinitions
from berthmaster.targets.observe.traffic_shifts import TrafficShifts
from berthmaster.targets.observe.unclaimed_targets import UnclaimedTargets
from berthmaster.targets.plan import claims
from berthmaster.targets.plan.reconciliation import OwnerStatus, ReconcileInput, Survey
from berthmaster.telemetry import logger


@dataclass(frozen=True, slots=True)
class Evidence:
    """The survey with all that a plan needs; errors: what could not be read and does not prevent a plan."""

    survey: Survey
    input: ReconcileInput
    errors: tuple[Exception, ...]


class SurveyReader:
    """Reads destinations: what serves some of them together in `prepare`, and the rest of each in `read`.

    `begin` and `prepare` are for one thread; `read` and `evidence` may be called by several.
    """

    def __init__(
        self,
        clients: Clients,
        clock: Clock,
        reads: PacedReads,
        *,
        ledger: ClaimLedger,
        destinations: DestinationReader,
        policy: Policy,
        kubernetes: Kubernetes,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._policy = policy
        self._destinations = destinations
        tasks = EcsTasks(clients, clock)
        shifts = TrafficShifts(clients, destinations.ecs_registrations)
        self._desired_tasks = DesiredTasks(tasks, TaskDefinitions(clients), shifts, policy)
        self._desired_pods = DesiredPods(kubernetes)
        self._registered = Registered(clients, clock, reads)
        self._interfaces = Interfaces(clients)
        self._takeovers = AddressTakeovers(self._interfaces, tasks, destinations.ecs_registrations, clock)
        self._unclaimed = UnclaimedTargets(self._interfaces, tasks, destinations.ecs_registrations, clock)
        self._limits = Limits(clients, reads, destinations.attributes)
        self._counts = TargetCounts()

    @property
    def target_count(self) -> int:
        """How many targets all destinations had when they were read last."""
        return self._counts.total

    def begin(self, declared: Collection[Declaration], deadline: datetime) -> None:
        """Begin a run over these destinations that ends at the deadline."""
        self._counts.keep({one.arn for one in declared})
        self._desired_tasks.begin(self._clock.now())
        self._desired_pods.begin(deadline)
        self._limits.begin(self._clock.now())
        for read_early in (self._destinations.attributes.recall, partial(self._destinations.prefetch, declared)):
            try:
                read_early()
            except AWS_FAILED as error:
                logger.warning("read later, one by one", error=repr(error))

    def prepare(self, declared: Collection[Declaration], may_begin: Callable[[], bool]) -> Destinations:
        """Read some destinations, and the tasks that their tags select."""
        selectors = [one.selector for one in declared if isinstance(one.selector, EcsSelector)]
        return self._destinations.read(declared, self._desired_tasks.read(selectors), may_begin)

    def read(self, destination: Destination, failures: Failures, *, is_unwatched: bool) -> tuple[Survey, Desired]:
        """The survey of a destination that was prepared; is_unwatched: it was not managed for a while before.

        failures: claims that cannot be read. They stay as they are, and so do their targets.
        """
        # Claims are written before targets: in this order no target of ours looks like that of others.
        targets = self._registered.in_destination(destination)
        held = {claim.key: claim for claim in self._ledger.claims_of(destination.arn, failures)}
        desired = self._desired(destination, held)
        self._counts.put(destination, Counter(target.zone for target in targets.values()))
        wanted = Counter(one.address.zone for one in desired.endpoints.values())
        survey = Survey(
            destination=destination,
            desired=desired.endpoints,
            leaving=frozenset(desired.leaving),
            not_ready=frozenset(desired.not_ready),
            claims=held,
            targets=targets,
            is_unwatched=is_unwatched,
            limit=self._limits.of(destination, self._counts, wanted, self._clock.now()),
        )
        return survey, desired

    def with_attributes(self, destination: Destination) -> Destination:
        """The destination with the attributes of its target group; raises AWS's error if they cannot be read."""
        found, failed = self._destinations.with_attributes({destination.arn: destination}, [destination.arn])
        for error in failed.values():
            raise error
        return found[destination.arn]

    def evidence(self, survey: Survey, desired: Desired, invocation: Invocation) -> Evidence:
        """What the ledger, ECS, Kubernetes and EC2 say of the owners and addresses that a plan is about."""
        now = self._clock.now()
        missing = survey.missing(now, self._policy, invocation.id)
        arriving = survey.arriving()
        view = View()
        self._ledger.read(
            view,
            owners={*(one.owner for one in arriving), *(claim.owner for claim in missing)},
            address_holders={(one.address.subnet_id, one.address.ip) for one in arriving if one.address.subnet_id},
        )
        operations, failed = self._registered.operations(survey.claims.values(), invocation)
        found = ReconcileInput(
            now=now,
            invocation_id=invocation.id,
            policy=self._policy,
            fences=view.fences,
            address_holders=view.address_holders,
            owners=self._owners(survey.destination, missing, desired, now),
            held_addresses=self._held_addresses(survey),
            operations=operations,
        )
        errors = [error for _, error in failed]
        try:
            survey = self._unclaimed.added_to(survey, desired.addresses)
        except (BotoCoreError, ClientError) as error:
            errors.append(error)
        return Evidence(self._takeovers.added_to(survey, found), found, tuple(errors))

    def _desired(self, destination: Destination, held: Mapping[ClaimKey, Claim]) -> Desired:
        if destination.declaration.detached:
            return Desired()
        if isinstance(destination.selector, EksSelector):
            return self._desired_pods.of(destination, destination.selector)
        return self._desired_tasks.of(destination, destination.selector, held)

    def _held_addresses(self, survey: Survey) -> frozenset[ClaimKey]:
        """Contested targets whose owners have their addresses for certain: the cluster lists a pod as it is now."""
        contested = survey.contested() if survey.destination.kind is Kind.TARGET_GROUP else []
        held = self._interfaces.holding(one.address for one in contested)
        return frozenset(
            claims.key_of(survey.destination, one)
            for one in contested
            if one.pod or (one.address.eni_id, one.address.ip) in held
        )

    def _owners(
        self, destination: Destination, missing: Iterable[Claim], desired: Desired, now: datetime
    ) -> dict[str, OwnerStatus]:
        claimed = list(missing)
        tasks = [claim for claim in claimed if not claim.pod]
        pods = [claim for claim in claimed if claim.pod]
        return self._desired_tasks.statuses(destination, tasks, now) | self._desired_pods.statuses(
            destination, pods, desired, now
        )
