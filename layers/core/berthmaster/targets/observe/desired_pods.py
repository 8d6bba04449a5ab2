"""The pods that should be registered in destinations, as EndpointSlices list them."""

from collections.abc import Iterable
from datetime import datetime

from berthmaster.targets.model import Address, Claim, Destination, EksSelector, Endpoint, Finding
from berthmaster.targets.observe.desired import Desired
from berthmaster.targets.observe.kubernetes import Kubernetes, PodEndpoint
from berthmaster.targets.plan import claims, mapping
from berthmaster.targets.plan.mapping import Unclear
from berthmaster.targets.plan.reconciliation import OwnerStatus


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
        if not found:
            text = f"the Service {selector.namespace}/{selector.service} has no endpoints; registered pods stay"
            result.findings.append(Finding(destination=destination.arn, code="no endpoints", text=text))
        for pod in found:
            if pod.terminating:
                result.leaving.add(pod.uid)
            elif pod.ready and pod.serving:
                try:
                    one = _endpoint(destination, pod)
                except Unclear as unclear:
                    result.findings.append(Finding(destination=destination.arn, code=unclear.code, text=unclear.text))
                else:
                    result.endpoints[claims.key_of(destination, one)] = one
            else:
                result.not_ready.add(f"{pod.namespace}/{pod.pod}")
        return result

    def statuses(self, destination: Destination, missing: Iterable[Claim], listed: int) -> dict[str, OwnerStatus]:
        """The status of owners that were not found; the cluster is asked about each by name.

        listed: how many pods were listed.
        """
        return {claim.owner: self._status(destination, claim, listed) for claim in missing}

    def _status(self, destination: Destination, claim: Claim, listed: int) -> OwnerStatus:
        selector = destination.selector
        namespace, _, name = claim.pod.partition("/")
        if not isinstance(selector, EksSelector) or destination.declaration.detached:
            return OwnerStatus.UNWANTED
        if self._kubernetes.is_gone(selector.cluster, namespace, name, claim.owner):
            return OwnerStatus.GONE
        # A Service with no endpoint at all while its pods live is more likely a wrong answer than a change of mind.
        return OwnerStatus.UNWANTED if listed else OwnerStatus.UNKNOWN


def _endpoint(destination: Destination, pod: PodEndpoint) -> Endpoint:
    declared = destination.declaration.port
    numbers = {port.number for port in pod.ports if declared in ("", port.name, str(port.number))}
    if len(numbers) != 1:
        several = ", ".join(f"{port.name or 'unnamed'} {port.number}" for port in pod.ports)
        raise Unclear("port", f"choose the port with {mapping.PREFIX}port; the pod has: {several or 'none'}")
    return Endpoint(
        owner=pod.uid,
        address=Address(pod.address, zone=pod.zone),
        port=numbers.pop(),
        pod=f"{pod.namespace}/{pod.pod}",
        attributes={"AVAILABILITY_ZONE": pod.zone} if pod.zone else {},
    )
