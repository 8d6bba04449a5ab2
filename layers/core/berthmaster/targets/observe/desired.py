"""Who is to be in a destination: the tasks ECS lists, the pods EndpointSlices name."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from berthmaster.errors import MissingEvidence
from berthmaster.targets.model import (
    Address,
    Claim,
    ClaimKey,
    Definition,
    Destination,
    EcsSelector,
    EksSelector,
    Endpoint,
    Finding,
    Phase,
    Policy,
    Selector,
    Task,
)
from berthmaster.targets.observe import kubernetes
from berthmaster.targets.observe.inventory import Inventory
from berthmaster.targets.observe.kubernetes import Kubernetes
from berthmaster.targets.observe.scene import Observer
from berthmaster.targets.plan import claims, mapping
from berthmaster.targets.plan.events import is_ready
from berthmaster.targets.plan.mapping import Unclear
from berthmaster.targets.plan.reconciliation import OwnerStatus

STOPPED_SHOWN = timedelta(hours=1)


@dataclass(slots=True)
class Desired:
    """Who is to be in one destination. listed: how many were named at all, ready or not."""

    endpoints: dict[ClaimKey, Endpoint] = field(default_factory=dict)
    leaving: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    listed: int = 0


class Sources:
    """Where tasks and pods are listed; each selector is asked once in a pass."""

    def __init__(self, observer: Observer, inventory: Inventory, pods: Kubernetes) -> None:
        self._observer = observer
        self._inventory = inventory
        self._pods = pods
        self._tasks: dict[Selector, list[Task] | Exception] = {}
        self._unknown: dict[Selector, str] = {}

    def begin(self, selectors: Iterable[Selector]) -> set[tuple[str, str]]:
        """List the tasks anew; returns the services (cluster, name) they belong to.

        One that cannot be listed raises when its destination is looked at, and hinders no other.
        """
        self._tasks, self._unknown = {}, {}
        listed: dict[str, dict[Selector, list[str]]] = defaultdict(dict)
        for selector in dict.fromkeys(one for one in selectors if isinstance(one, EcsSelector)):
            try:
                listed[selector.cluster][selector] = self._observer.listed(selector)
            except MissingEvidence as missing:
                # No evidence against anybody: each that is registered is asked about by name.
                self._tasks[selector], self._unknown[selector] = [], str(missing)
            except Exception as error:  # noqa: BLE001 - kept for those whom it concerns
                self._tasks[selector] = error
        for own in listed.values():
            self._describe(own)
        return {
            (task.cluster, task.service)
            for tasks in self._tasks.values()
            if isinstance(tasks, list)
            for task in tasks
            if task.service
        }

    def _describe(self, listed: Mapping[Selector, list[str]]) -> None:
        """Ask about the tasks of one cluster together, a hundred a call."""
        try:
            found = self._observer.ask(arn for arns in listed.values() for arn in arns)
        except Exception as error:  # noqa: BLE001 - as above
            self._tasks |= dict.fromkeys(listed, error)
        else:
            self._tasks |= {selector: [found[arn] for arn in arns if arn in found] for selector, arns in listed.items()}

    def desired(self, destination: Destination, policy: Policy, held: Mapping[ClaimKey, Claim]) -> Desired:
        """Who is to be in a destination; MissingEvidence, or AWS's error, if that cannot be told."""
        if destination.declaration.detached:
            return Desired()
        if isinstance(destination.selector, EksSelector):
            return self._of_pods(destination, destination.selector)
        tasks = self._tasks[destination.selector]
        if isinstance(tasks, Exception):
            raise tasks
        return self._of_tasks(destination, tasks, policy, held)

    def verdicts(
        self, destination: Destination, missing: Iterable[Claim], listed: int, now: datetime
    ) -> dict[str, OwnerStatus]:
        """Ask about owners, each by name, that should be there and were not found."""
        claimed = list(missing)
        arns = {claim.owner for claim in claimed if not claim.pod}
        found = self._observer.ask(arns) if arns else {}
        verdicts = {}
        for claim in claimed:
            if claim.pod:
                verdicts[claim.owner] = self._of_pod(destination, claim, listed)
            else:
                verdicts[claim.owner] = self._of_task(destination, claim, found.get(claim.owner), now)
        return verdicts

    # Tasks

    def _of_tasks(
        self, destination: Destination, tasks: Iterable[Task], policy: Policy, held: Mapping[ClaimKey, Claim]
    ) -> Desired:
        result = Desired()
        if unknown := self._unknown.get(destination.selector):
            result.findings.append(Finding(destination=destination.arn, code="unknown", text=unknown))
        registered = {(key, claim.owner) for key, claim in held.items() if not claim.is_over}
        for task in tasks:
            result.listed += 1
            if task.phase is Phase.LEAVING:
                result.leaving.add(task.arn)
            elif task.phase is Phase.RUNNING and mapping.names(destination.declaration, task):
                definition = self._definition(task)
                try:
                    one = mapping.endpoint(destination, task, definition)
                except Unclear as unclear:
                    result.findings.append(Finding(destination=destination.arn, code=unclear.code, text=unclear.text))
                    continue
                key = claims.key_of(destination, one)
                # Whom Berthmaster has registered stays, though ECS registers its successors.
                is_new = mapping.selects(destination, task) and is_ready(task, definition, policy)
                if (key, task.arn) in registered or is_new:
                    result.endpoints[key] = one
        return result

    def _definition(self, task: Task) -> Definition:
        return self._inventory.definitions([task.definition])[task.definition]

    def _of_task(self, destination: Destination, claim: Claim, task: Task | None, now: datetime) -> OwnerStatus:
        if task is None:
            # ECS shows a stopped task for an hour: until then, not to be known is an answer to be doubted.
            is_long_ago = claim.missing_since is not None and now - claim.missing_since > STOPPED_SHOWN
            return OwnerStatus.GONE if is_long_ago else OwnerStatus.UNKNOWN
        if task.phase is Phase.LEAVING:
            return OwnerStatus.GONE
        declared = destination.declaration
        if task.phase is not Phase.RUNNING or declared.detached or not mapping.names(declared, task):
            return OwnerStatus.UNWANTED
        try:
            one = mapping.endpoint(destination, task, self._definition(task))
        except Unclear:
            return OwnerStatus.UNKNOWN
        return OwnerStatus.ALIVE if claims.key_of(destination, one) == claim.key else OwnerStatus.UNWANTED

    # Pods

    def _of_pods(self, destination: Destination, selector: EksSelector) -> Desired:
        found = self._pods.endpoints(selector.cluster, selector.namespace, selector.service)
        result = Desired(listed=len(found))
        if not found:
            text = f"the Service {selector.namespace}/{selector.service} has no endpoints: what is registered is left"
            result.findings.append(Finding(destination=destination.arn, code="no endpoints", text=text))
        for pod in found:
            if pod.terminating:
                result.leaving.add(pod.uid)
            elif pod.ready and pod.serving:
                try:
                    one = _pod_endpoint(destination, pod)
                except Unclear as unclear:
                    result.findings.append(Finding(destination=destination.arn, code=unclear.code, text=unclear.text))
                else:
                    result.endpoints[claims.key_of(destination, one)] = one
        return result

    def _of_pod(self, destination: Destination, claim: Claim, listed: int) -> OwnerStatus:
        selector = destination.selector
        namespace, _, name = claim.pod.partition("/")
        if not isinstance(selector, EksSelector) or destination.declaration.detached:
            return OwnerStatus.UNWANTED
        if self._pods.is_gone(selector.cluster, namespace, name, claim.owner):
            return OwnerStatus.GONE
        # A Service without any endpoint, and pods that live: rather a bad answer than a wish.
        return OwnerStatus.UNWANTED if listed else OwnerStatus.UNKNOWN


def _pod_endpoint(destination: Destination, pod: kubernetes.PodEndpoint) -> Endpoint:
    declared = destination.declaration.port
    numbers = {port.number for port in pod.ports if declared in ("", port.name, str(port.number))}
    if len(numbers) != 1:
        several = ", ".join(f"{port.name or 'unnamed'} {port.number}" for port in pod.ports)
        raise Unclear("port", f"say with {mapping.PREFIX}port which is meant of: {several or 'none at all'}")
    return Endpoint(
        owner=pod.uid,
        address=Address(pod.address, zone=pod.zone),
        port=numbers.pop(),
        pod=f"{pod.namespace}/{pod.pod}",
        attributes={"AVAILABILITY_ZONE": pod.zone} if pod.zone else {},
    )
