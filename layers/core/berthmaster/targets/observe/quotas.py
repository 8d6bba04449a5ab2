"""How many targets a destination may have, as far as AWS's quotas are known."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from botocore.exceptions import ClientError

from berthmaster.clients import Clients
from berthmaster.errors import code_of
from berthmaster.expiring import Expiring
from berthmaster.targets.model import Destination, DiscoveryService, TargetGroup

VALID_FOR = timedelta(hours=1)
TARGETS_PER_GROUP = ("elasticloadbalancing", "L-A0D0B863")
DEFAULT_PER_GROUP = 1_000
INSTANCES_PER_SERVICE = 1_000
"""Of Cloud Map; it cannot be raised."""
DEFAULT_PER_ZONE = 500
PER_APPLICATION = "targets-per-application-load-balancer"
PER_NETWORK = "targets-per-network-load-balancer"
PER_ZONE = "targets-per-availability-zone-per-network-load-balancer"
"""With cross-zone load balancing, this is the limit of the whole load balancer; that raising this quota also raises
that limit is unverified."""
ALL_ZONES = "all"
UNLIMITED = 1_000_000
CROSS_ZONE = "load_balancing.cross_zone.enabled"

type Zones = Counter[str]
"""Targets by zone."""


@dataclass(frozen=True, slots=True)
class _Quotas:
    """Of the account: targets per target group, and the limits of load balancers by name."""

    per_group: int
    per_balancer: Mapping[str, int]


class Limits:
    """The quotas of one account and Region, kept in the container.

    Targets of groups that are not managed count towards the quota of their load balancer too and are not known here, so
    AWS may still answer TooManyTargets.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._quotas: Expiring[_Quotas] = Expiring()
        self._cross_zone: Expiring[bool] = Expiring()

    def of(
        self,
        destination: Destination,
        others: Iterable[Destination],
        counts: Mapping[str, Zones],
        zones: Iterable[str],
        now: datetime,
    ) -> int:
        """How many targets a destination may have.

        others, counts: all destinations and their targets, since some may use the same load balancer. zones: where it
        has targets or is to have some, "" if a zone is unknown. One zone may be full while another has room: then AWS,
        and not this limit, refuses the targets of the full one.
        """
        body = destination.body
        if isinstance(body, DiscoveryService):
            return INSTANCES_PER_SERVICE
        quotas = self._quotas.get("", now) or self._quotas.put("", self._read(), now, VALID_FOR)
        own = counts.get(destination.arn, Counter())
        limit = quotas.per_group
        for balancer in body.load_balancers:
            elsewhere = _elsewhere(balancer, destination, others, counts)
            name = PER_NETWORK if body.is_network else PER_APPLICATION
            limit = min(limit, quotas.per_balancer.get(name, quotas.per_group) - elsewhere.total())
            if body.is_network:
                per_zone = quotas.per_balancer.get(PER_ZONE, DEFAULT_PER_ZONE)
                is_cross_zone = self._is_cross_zone(balancer, body, now)
                in_zones = per_zone - elsewhere.total() if is_cross_zone else _in_zones(per_zone, own, elsewhere, zones)
                limit = min(limit, in_zones)
        return max(0, limit)

    def _is_cross_zone(self, balancer: str, group: TargetGroup, now: datetime) -> bool:
        if group.cross_zone is not None:
            return group.cross_zone
        known = self._cross_zone.get(balancer, now)
        if known is None:
            answer = self._clients.elbv2.describe_load_balancer_attributes(LoadBalancerArn=balancer)
            known = any(one["Key"] == CROSS_ZONE and one["Value"] == "true" for one in answer["Attributes"])
            self._cross_zone.put(balancer, known, now, VALID_FOR)
        return known

    def _read(self) -> _Quotas:
        service, code = TARGETS_PER_GROUP
        per_group = DEFAULT_PER_GROUP
        try:
            quota = self._clients.quotas.get_service_quota(ServiceCode=service, QuotaCode=code)
            per_group = int(quota["Quota"]["Value"])
        except ClientError as error:
            # An account without an applied value has AWS's default.
            if code_of(error) != "NoSuchResourceException":
                raise
        answer = self._clients.elbv2.describe_account_limits()
        return _Quotas(per_group, {one["Name"]: int(one["Max"]) for one in answer["Limits"]})


def _in_zones(quota: int, own: Zones, elsewhere: Zones, zones: Iterable[str]) -> int:
    """How many fit into all zones together, if each zone has that quota."""
    named = {*zones, *own}
    if "" in named:
        return UNLIMITED
    # A target of all zones takes room in each of them.
    in_each = quota - elsewhere[ALL_ZONES] - own[ALL_ZONES]
    left = sum(max(own[zone], in_each - elsewhere[zone]) for zone in named - {ALL_ZONES})
    return own[ALL_ZONES] + (left if named - {ALL_ZONES} else in_each)


def _elsewhere(
    balancer: str, destination: Destination, others: Iterable[Destination], counts: Mapping[str, Zones]
) -> Zones:
    """The targets of other destinations of a load balancer."""
    found: Zones = Counter()
    for other in others:
        is_other = other.arn != destination.arn and isinstance(other.body, TargetGroup)
        if is_other and isinstance(other.body, TargetGroup) and balancer in other.body.load_balancers:
            found += counts.get(other.arn, Counter())
    return found
