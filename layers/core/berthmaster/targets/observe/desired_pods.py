"""The pods that should be registered in destinations, as EndpointSlices list them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from berthmaster.targets.model import Address, Claim, Destination, EksSelector, Endpoint, Finding
from berthmaster.targets.observe.desired import Desired
from berthmaster.targets.observe.kubernetes import Kubernetes, PodEndpoint
from berthmaster.targets.plan import claims, mapping
from berthmaster.targets.plan.reconciliation import OwnerStatus

UNLISTED_FOR = timedelta(minutes=1)
"""A pod that lives and is not listed as ready belongs to the Service no more after this time: while the cluster moves
an endpoint from one slice to another, it may be in none."""


class DesiredPods:
    """The pods behind Kubernetes Services."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes

    def begin(self, deadline: datetime) -> None:
        """Begin a run that ends at the deadline."""
        self._kubernetes.begin(deadline)

    def of(self, destination: Destination, selector: EksSelector) -> Desired:
        """What should be registered in a destination; MissingEvidence if the cluster does not answer."""
        found = self._kubernetes.endpoints(selector.cluster, selector.namespace, selector.service)
        result = Desired(listed=len(found), addresses={pod.address for pod in found})
        declared = destination.declaration.port
        has_port = any(_numbers(pod, declared) for pod in found)
        for pod in found:
            numbers = _numbers(pod, declared)
            if pod.terminating:
                result.leaving.add(pod.uid)
            elif len(numbers) > 1 or not has_port:
                result.unclear.add(pod.uid)
            elif not (pod.ready and pod.serving):
                result.not_ready.add(f"{pod.namespace}/{pod.pod}")
            elif numbers:
                one = _endpoint(pod, numbers.pop())
                result.endpoints[claims.key_of(destination, one)] = one
        result.findings += _findings(destination, selector, found, result)
        return result

    def statuses(
        self, destination: Destination, missing: Iterable[Claim], desired: Desired, now: datetime
    ) -> dict[str, OwnerStatus]:
        """The status of owners that were not found; the cluster is asked about each by name."""
        return {claim.owner: self._status(destination, claim, desired, now) for claim in missing}

    def _status(self, destination: Destination, claim: Claim, desired: Desired, now: datetime) -> OwnerStatus:
        selector = destination.selector
        namespace, _, name = claim.pod.partition("/")
        if not isinstance(selector, EksSelector) or destination.declaration.detached:
            return OwnerStatus.UNWANTED
        if self._kubernetes.is_gone(selector.cluster, namespace, name, claim.owner):
            return OwnerStatus.GONE
        # A Service with no endpoint at all while its pods live is more likely a wrong answer than a change of mind.
        if not desired.listed or claim.owner in desired.unclear:
            return OwnerStatus.UNKNOWN
        is_short = claim.missing_since is None or now - claim.missing_since < UNLISTED_FOR
        return OwnerStatus.UNKNOWN if is_short else OwnerStatus.UNWANTED


def _numbers(pod: PodEndpoint, declared: str) -> set[int]:
    """The numbers of a pod's ports that a declaration means; a Service's other ports do not matter."""
    return {port.number for port in pod.ports if declared in ("", port.name, str(port.number))}


def _findings(
    destination: Destination, selector: EksSelector, found: Sequence[PodEndpoint], desired: Desired
) -> list[Finding]:
    if not found:
        text = f"the Service {selector.namespace}/{selector.service} has no endpoints; registered pods stay"
        return [Finding(destination=destination.arn, code="no endpoints", text=text)]
    if not desired.unclear:
        return []
    ports = sorted({(port.name, port.number) for pod in found for port in pod.ports if pod.uid in desired.unclear})
    several = ", ".join(f"{name or 'unnamed'} {number}" for name, number in ports)
    text = f"choose the port with {mapping.PREFIX}port; the pods have: {several or 'none'}"
    return [Finding(destination=destination.arn, code="port", text=text)]


def _endpoint(pod: PodEndpoint, port: int) -> Endpoint:
    return Endpoint(
        owner=pod.uid,
        address=Address(pod.address, zone=pod.zone),
        port=port,
        pod=f"{pod.namespace}/{pod.pod}",
        attributes={"AVAILABILITY_ZONE": pod.zone} if pod.zone else {},
    )
