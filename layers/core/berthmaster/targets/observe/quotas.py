"""How many targets a destination may have, as far as AWS's quotas are known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botocore.exceptions import ClientError

from berthmaster.clients import Clients
from berthmaster.errors import code_of
from berthmaster.expiring import Expiring
from berthmaster.paced_reads import PacedReads
from berthmaster.targets.ledger.findings import MOST_ROOM
from berthmaster.targets.model import ALL_ZONES, Destination, DiscoveryService, TargetGroup
from berthmaster.targets.observe.failed_reads import AWS_FAILED
from berthmaster.targets.observe.group_attributes import AttributesReader
from berthmaster.targets.observe.target_counts import TargetCounts, Zones
from berthmaster.telemetry import logger

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
UNLIMITED = 1_000_000
CROSS_ZONE = "load_balancing.cross_zone.enabled"


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

    def __init__(self, clients: Clients, reads: PacedReads, attributes: AttributesReader) -> None:
        self._clients = clients
        self._reads = reads
        self._attributes = attributes
        self._quotas: _Quotas | None = None
        self._read_at = datetime.min.replace(tzinfo=UTC)
        self._cross_zone: Expiring[bool] = Expiring()

    def begin(self, now: datetime) -> None:
        """Read the quotas if they are old; those that cannot be read stay as they are, since AWS enforces them."""
        if now - self._read_at < VALID_FOR:
            return
        try:
            self._quotas, self._read_at = self._read(), now
        except AWS_FAILED as error:
            logger.warning("quotas not read", error=repr(error))

    def of(self, destination: Destination, counts: TargetCounts, wanted: Zones, now: datetime) -> int | None:
        """How many targets a destination may have; None if the quotas are unknown.

        counts: of all destinations, since some may use the same load balancer. wanted: the targets that it is to have,
        in the zone "" if that is unknown. One zone may be full while another has room: then AWS, and not this limit,
        refuses the targets of the full one.
        """
        body, quotas = destination.body, self._quotas
        if isinstance(body, DiscoveryService):
            return INSTANCES_PER_SERVICE
        if quotas is None:
            return None
        own = counts.of(destination.arn)
        named = {*wanted, *own}
        enough = max(own.total(), wanted.total()) + MOST_ROOM
        limit = quotas.per_group
        for balancer in body.load_balancers:
            elsewhere = counts.elsewhere(balancer, destination.arn)
            name = PER_NETWORK if body.is_network else PER_APPLICATION
            limit = min(limit, quotas.per_balancer.get(name, quotas.per_group) - elsewhere.total())
            if body.is_network:
                per_zone = quotas.per_balancer.get(PER_ZONE, DEFAULT_PER_ZONE)
                together, apart = per_zone - elsewhere.total(), _in_zones(per_zone, own, elsewhere, named)
                # Which of the two it is takes a call for each group, and one for each load balancer.
                if min(limit, together, apart) >= enough:
                    limit = min(limit, together, apart)
                else:
                    limit = min(limit, together if self._is_cross_zone(balancer, destination, body, now) else apart)
        if wanted.total() > limit:
            # The quota may have been raised: the next run reads it again.
            self._read_at = datetime.min.replace(tzinfo=UTC)
        return max(0, limit)

    def _is_cross_zone(self, balancer: str, destination: Destination, group: TargetGroup, now: datetime) -> bool:
        own = group.cross_zone
        if not group.has_attributes:
            for error in self._attributes.read([destination.arn], lambda: True).values():
                raise error
            known = self._attributes.of(destination.arn, now)
            own = known.cross_zone if known else None
        if own is not None:
            return own
        is_on = self._cross_zone.get(balancer, now)
        if is_on is None:
            describe = self._clients.elbv2.describe_load_balancer_attributes
            answer = self._reads.call(describe, LoadBalancerArn=balancer)
            is_on = any(one["Key"] == CROSS_ZONE and one["Value"] == "true" for one in answer["Attributes"])
            self._cross_zone.put(balancer, is_on, now, VALID_FOR)
        return is_on

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
        answer = self._reads.call(self._clients.elbv2.describe_account_limits)
        return _Quotas(per_group, {one["Name"]: int(one["Max"]) for one in answer["Limits"]})


def _in_zones(quota: int, own: Zones, elsewhere: Zones, named: set[str]) -> int:
    """How many fit into all zones together, if each zone has that quota; named: zones in use."""
    if "" in named:
        return UNLIMITED
    # A target of all zones takes room in each of them.
    in_each = quota - elsewhere[ALL_ZONES] - own[ALL_ZONES]
    left = sum(max(own[zone], in_each - elsewhere[zone]) for zone in named - {ALL_ZONES})
    return own[ALL_ZONES] + (left if named - {ALL_ZONES} else in_each)
