"""How many targets a destination takes, as far as AWS's quotas are known."""

from collections import Counter
from collections.abc import Iterable, Mapping
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
DEFAULT_PER_ZONE = 500
PER_APPLICATION = "targets-per-application-load-balancer"
PER_NETWORK = "targets-per-network-load-balancer"
PER_ZONE = "targets-per-availability-zone-per-network-load-balancer"
"""With cross-zone load balancing, this is what the whole balancer takes; that raising it raises that, too, is
unverified."""
ANYWHERE = "all"
UNLIMITED = 1_000_000
CROSS_ZONE = "load_balancing.cross_zone.enabled"

type Zones = Counter[str]
"""Targets by zone."""


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
        self._cross_zone: dict[str, tuple[datetime, bool]] = {}

    def of(
        self,
        destination: Destination,
        others: Iterable[Destination],
        counts: Mapping[str, Zones],
        zones: Iterable[str],
        now: datetime,
    ) -> int:
        """How many targets fit.

        counts: the targets of all destinations, which may share its load balancer. zones: where it has or is to have
        some, "" if that is unknown. A zone may be full while there is room in another: whoever comes to it is refused
        by AWS, not here.
        """
        body = destination.body
        if isinstance(body, DiscoveryService):
            return INSTANCES_PER_SERVICE
        self._read(now)
        own = counts.get(destination.arn, Counter())
        limit = self._per_group
        for balancer in body.load_balancers:
            elsewhere = _elsewhere(balancer, destination, others, counts)
            limit = min(limit, self._of_balancer(body) - elsewhere.total())
            if body.is_network:
                is_cross_zone = self._is_cross_zone(balancer, now) if body.cross_zone is None else body.cross_zone
                per_zone = self._per_balancer.get(PER_ZONE, DEFAULT_PER_ZONE)
                in_zones = per_zone - elsewhere.total() if is_cross_zone else _in_zones(per_zone, own, elsewhere, zones)
                limit = min(limit, in_zones)
        return max(0, limit)

    def _of_balancer(self, body: TargetGroup) -> int:
        name = PER_NETWORK if body.is_network else PER_APPLICATION
        return self._per_balancer.get(name, self._per_group)

    def _is_cross_zone(self, balancer: str, now: datetime) -> bool:
        read_at, known = self._cross_zone.get(balancer, (None, False))
        if read_at is None or now - read_at >= KEPT:
            answer = self._clients.elbv2.describe_load_balancer_attributes(LoadBalancerArn=balancer)
            known = any(one["Key"] == CROSS_ZONE and one["Value"] == "true" for one in answer["Attributes"])
            self._cross_zone[balancer] = (now, known)
        return known

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


def _in_zones(quota: int, own: Zones, elsewhere: Zones, zones: Iterable[str]) -> int:
    """How many fit into all zones together, each with that quota."""
    named = {*zones, *own}
    if "" in named:
        return UNLIMITED
    # A target of all zones takes room in each.
    in_each = quota - elsewhere[ANYWHERE] - own[ANYWHERE]
    left = sum(max(own[zone], in_each - elsewhere[zone]) for zone in named - {ANYWHERE})
    return own[ANYWHERE] + (left if named - {ANYWHERE} else in_each)


def _elsewhere(
    balancer: str, destination: Destination, others: Iterable[Destination], counts: Mapping[str, Zones]
) -> Zones:
    """The targets of other destinations behind a load balancer."""
    found: Zones = Counter()
    for other in others:
        is_other = other.arn != destination.arn and isinstance(other.body, TargetGroup)
        if is_other and isinstance(other.body, TargetGroup) and balancer in other.body.load_balancers:
            found += counts.get(other.arn, Counter())
    return found
