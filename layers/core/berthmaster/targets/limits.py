"""How many targets a destination takes, as far as AWS's quotas are known."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from botocore.exceptions import ClientError

from berthmaster.clients import Clients
from berthmaster.errors import code_of
from berthmaster.targets.model import Destination, DiscoveryService, TargetGroup

KEPT = timedelta(hours=1)
TARGETS_PER_GROUP = ("elasticloadbalancing", "L-A0D0B863")
DEFAULT_PER_GROUP = 1_000
INSTANCES_PER_SERVICE = 1_000
"""Of Cloud Map; nobody can raise it."""
NETWORK_CROSS_ZONE = 500
"""Of a Network Load Balancer with cross-zone balancing, unless raised."""
PER_APPLICATION = "targets-per-application-load-balancer"
PER_NETWORK = "targets-per-network-load-balancer"


class Limits:
    """The quotas of one account and Region, kept in the container.

    Targets of groups that are not managed count towards a load balancer's quota, too, and are not seen here: AWS's own
    TooManyTargets stays the last word.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._read_at: datetime | None = None
        self._per_group = DEFAULT_PER_GROUP
        self._per_balancer: dict[str, int] = {}

    def of(
        self, destination: Destination, others: Collection[Destination], counts: Mapping[str, int], now: datetime
    ) -> int:
        """How many targets fit; `counts` are those of the other destinations, which may share its load balancer."""
        body = destination.body
        if isinstance(body, DiscoveryService):
            return INSTANCES_PER_SERVICE
        self._read(now)
        limit = self._per_group
        for balancer in body.load_balancers:
            elsewhere = sum(
                counts.get(other.arn, 0)
                for other in others
                if other.arn != destination.arn
                and isinstance(other.body, TargetGroup)
                and balancer in other.body.load_balancers
            )
            limit = min(limit, self._of_balancer(body) - elsewhere)
        return max(0, limit)

    def _of_balancer(self, body: TargetGroup) -> int:
        if not body.is_network:
            return self._per_balancer.get(PER_APPLICATION, self._per_group)
        whole = self._per_balancer.get(PER_NETWORK, self._per_group)
        return min(whole, NETWORK_CROSS_ZONE) if body.cross_zone else whole

    def _read(self, now: datetime) -> None:
        if self._read_at is not None and now - self._read_at < KEPT:
            return
        service, code = TARGETS_PER_GROUP
        try:
            quota = self._clients.quotas.get_service_quota(ServiceCode=service, QuotaCode=code)
            self._per_group = int(quota["Quota"]["Value"])
        except ClientError as error:
            # An account without an applied value has AWS's default.
            if code_of(error) != "NoSuchResourceException":
                raise
        answer = self._clients.elbv2.describe_account_limits()
        self._per_balancer = {one["Name"]: int(one["Max"]) for one in answer["Limits"]}
        self._read_at = now
