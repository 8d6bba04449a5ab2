"""What is managed: target groups and Cloud Map services by their tags, each read when it matters and kept a while.

Tags are read for all, a hundred a call. What else a decision needs is read for those destinations only that it
concerns, since most of it costs a call each.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Network
from itertools import batched
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import code_of
from berthmaster.targets import ecs_task as tasks
from berthmaster.targets.model import (
    MANAGED_TAG,
    Declaration,
    Definition,
    Destination,
    DiscoveryService,
    EcsSelector,
    Finding,
    TargetGroup,
)
from berthmaster.targets.plan import mapping

TAGGED_AT_ONCE = 100
GROUPS_AT_ONCE = 20
SERVICES_AT_ONCE = 10
TAGS_KEPT = timedelta(seconds=45)
BODIES_KEPT = timedelta(minutes=10)
SERVICES_KEPT = timedelta(minutes=2)
UNREGISTERED_KEPT = timedelta(seconds=10)
"""A service that ECS registers nowhere may be changed at any moment; tasks that follow from that take longer to run."""
RESOURCE_TYPES = ("elasticloadbalancing:targetgroup", "servicediscovery:service")
_GONE = frozenset({"TargetGroupNotFound", "ServiceNotFound"})

type _Ports = Mapping[str, frozenset[int]]


@dataclass(slots=True)
class _Kept[Value]:
    """Values with the time until which they are believed.

    Whoever decides what to read and then gets it does so at one moment: what is fresh at one may not be at the next.
    """

    lifetime: timedelta
    values: dict[str, tuple[datetime, Value]] = field(default_factory=dict)

    def get(self, key: str, now: datetime) -> Value | None:
        until, value = self.values.get(key, (None, None))
        return value if until is not None and now < until else None

    def put(self, key: str, value: Value, now: datetime, lifetime: timedelta | None = None) -> None:
        self.values[key] = (now + (self.lifetime if lifetime is None else lifetime), value)


@dataclass(frozen=True, slots=True)
class Destinations:
    """What is known of some destinations, and what AWS would not say.

    findings: why those that are missing cannot be managed. unread: by ARN, why one could not be read. unclear: by
    `cluster/service`, why it is unknown where ECS registers its tasks.
    """

    destinations: dict[str, Destination] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    unread: dict[str, Exception] = field(default_factory=dict)
    unclear: dict[str, Exception] = field(default_factory=dict)

    def of(self, declared: Declaration) -> Destination | None:
        """One that can be managed; AWS's error if it could not be read, or who else registers its tasks there."""
        if declared.arn in self.unread:
            raise self.unread[declared.arn]
        if isinstance(declared.selector, EcsSelector):
            for service, error in self.unclear.items():
                if service.startswith(f"{declared.selector.cluster}/"):
                    raise error
        return self.destinations.get(declared.arn)


class Inventory:
    """The destinations of one account and Region, kept in the container."""

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock
        self._tagged: tuple[datetime, list[Declaration], list[Finding]] | None = None
        self._bodies: _Kept[TargetGroup | DiscoveryService | Finding] = _Kept(BODIES_KEPT)
        self._natives: _Kept[_Ports] = _Kept(SERVICES_KEPT)
        self._vpcs: _Kept[tuple[IPv4Network, ...]] = _Kept(BODIES_KEPT)
        self._definitions: dict[str, Definition] = {}

    def declarations(self, *, fresh: bool = False) -> tuple[list[Declaration], list[Finding]]:
        """What the tags ask for, and which of them make no sense."""
        now = self._clock.now()
        if fresh or self._tagged is None or now - self._tagged[0] >= TAGS_KEPT:
            declared: list[Declaration] = []
            findings: list[Finding] = []
            for arn, tags in self._tags():
                one = mapping.declaration(arn, tags)
                if isinstance(one, Declaration):
                    declared.append(one)
                elif one is not None:
                    findings.append(one)
            self._tagged = (now, sorted(declared, key=lambda one: one.arn), findings)
        return self._tagged[1], self._tagged[2]

    def destinations(self, declared: Iterable[Declaration], services: Iterable[tuple[str, str]]) -> Destinations:
        """The destinations that were declared, with what is known of them; one that AWS fails at hinders no other.

        services: cluster and name of those whose own registrations matter, beside those that are declared.
        """
        chosen = list(declared)
        # One moment for all: nothing that is taken for known may be forgotten before it is used.
        now = self._clock.now()
        unread = self._read_target_groups([one.arn for one in chosen if ":targetgroup/" in one.arn], now)
        unread |= self._read_discovery_services([one.arn for one in chosen if ":targetgroup/" not in one.arn], now)
        selected = {
            (one.selector.cluster, one.selector.service)
            for one in chosen
            if isinstance(one.selector, EcsSelector) and one.selector.service
        }
        native, unclear = self._native({*selected, *services}, now)
        stock = Destinations(unread=unread, unclear=unclear)
        for one in chosen:
            if one.arn in unread:
                continue
            body = self._bodies.get(one.arn, now)
            # What is neither there nor said to be missing would be taken for no longer tagged.
            assert body is not None, one.arn  # noqa: S101 - read just now
            if isinstance(body, Finding):
                stock.findings.append(body)
            else:
                stock.destinations[one.arn] = Destination(
                    arn=one.arn,
                    name=_name(one.arn),
                    declaration=one,
                    body=body,
                    native=frozenset(
                        (service, port) for service, there in native.items() for port in there.get(one.arn, ())
                    ),
                )
        return stock

    def definitions(self, arns: Iterable[str]) -> Mapping[str, Definition]:
        """Task definitions by ARN, each read once."""
        for arn in arns:
            if arn not in self._definitions:
                answer = self._clients.ecs.describe_task_definition(taskDefinition=arn)
                self._definitions[arn] = tasks.definition(answer["taskDefinition"])
        return self._definitions

    def _tags(self) -> Iterator[tuple[str, dict[str, str]]]:
        pages = self._clients.tagging.get_paginator("get_resources").paginate(
            ResourceTypeFilters=list(RESOURCE_TYPES),
            TagFilters=[{"Key": MANAGED_TAG}],
            PaginationConfig={"PageSize": TAGGED_AT_ONCE},
        )
        for page in pages:
            for one in page["ResourceTagMappingList"]:
                yield one["ResourceARN"], {tag["Key"]: tag["Value"] for tag in one["Tags"]}

    # Target groups

    def _read_target_groups(self, arns: Sequence[str], now: datetime) -> dict[str, Exception]:
        """Read those that are not fresh; returns those that could not be read."""
        unread: dict[str, Exception] = {}
        missing = [arn for arn in arns if self._bodies.get(arn, now) is None]
        for batch in batched(missing, GROUPS_AT_ONCE, strict=False):
            try:
                described = self._described_groups(list(batch))
                self._read_vpcs({one.get("VpcId", "") for one in described.values()} - {""}, now)
            except (BotoCoreError, ClientError) as error:
                unread |= dict.fromkeys(batch, error)
                continue
            for arn in batch:
                try:
                    self._bodies.put(arn, self._target_group(arn, described.get(arn), now), now)
                except (BotoCoreError, ClientError) as error:
                    unread[arn] = error
        return unread

    def _described_groups(self, arns: list[str]) -> dict[str, Any]:
        """Target groups by ARN; one that is gone must not hide the others."""
        try:
            answer = self._clients.elbv2.describe_target_groups(TargetGroupArns=arns)
        except ClientError as error:
            if code_of(error) not in _GONE:
                raise
            if len(arns) == 1:
                return {}
            return {arn: one for each in arns for arn, one in self._described_groups([each]).items()}
        return {one["TargetGroupArn"]: one for one in answer["TargetGroups"]}

    def _target_group(self, arn: str, described: Any, now: datetime) -> TargetGroup | Finding:
        if described is None:
            return _gone(arn)
        if described["TargetType"] != "ip" or described.get("IpAddressType", "ipv4") != "ipv4":
            kind = f"{described['TargetType']} {described.get('IpAddressType', '')}".strip()
            return Finding(
                destination=arn,
                code="target type",
                text=f"it takes targets of type {kind}; only ip and ipv4 can be managed",
            )
        try:
            answer = self._clients.elbv2.describe_target_group_attributes(TargetGroupArn=arn)
        except ClientError as error:
            if code_of(error) not in _GONE:
                raise
            return _gone(arn)
        attributes = {one["Key"]: one["Value"] for one in answer["Attributes"]}
        cross_zone = attributes.get("load_balancing.cross_zone.enabled", "")
        vpc_id = described.get("VpcId", "")
        return TargetGroup(
            vpc_id=vpc_id,
            vpc_cidrs=self._cidrs(vpc_id, now),
            protocol=described["Protocol"],
            port=described.get("Port", 0),
            load_balancers=tuple(described.get("LoadBalancerArns", ())),
            cross_zone={"true": True, "false": False}.get(cross_zone),
            deregistration_delay=timedelta(seconds=int(attributes.get("deregistration_delay.timeout_seconds", 300))),
        )

    def _cidrs(self, vpc_id: str, now: datetime) -> tuple[IPv4Network, ...]:
        cidrs = self._vpcs.get(vpc_id, now) if vpc_id else ()
        # Without them, every address would be taken for one outside of the VPC.
        assert cidrs is not None, vpc_id  # noqa: S101 - read just now
        return cidrs

    def _read_vpcs(self, vpc_ids: Collection[str], now: datetime) -> None:
        """The CIDRs of VPCs; none for one that this account cannot see, so that all addresses are outside of it."""
        unread = sorted(vpc_id for vpc_id in vpc_ids if self._vpcs.get(vpc_id, now) is None)
        if not unread:
            return
        pages = self._clients.ec2.get_paginator("describe_vpcs").paginate(
            Filters=[{"Name": "vpc-id", "Values": unread}]
        )
        found = {one["VpcId"]: one for page in pages for one in page["Vpcs"]}
        for vpc_id in unread:
            blocks = found.get(vpc_id, {}).get("CidrBlockAssociationSet", ())
            cidrs = tuple(
                IPv4Network(block["CidrBlock"])
                for block in blocks
                if block["CidrBlockState"]["State"] in {"associated", "associating"}
            )
            self._vpcs.put(vpc_id, cidrs, now)

    # Cloud Map

    def _read_discovery_services(self, arns: Sequence[str], now: datetime) -> dict[str, Exception]:
        """As for target groups."""
        unread: dict[str, Exception] = {}
        for arn in arns:
            if self._bodies.get(arn, now) is None:
                try:
                    self._bodies.put(arn, self._discovery_service(arn), now)
                except (BotoCoreError, ClientError) as error:
                    unread[arn] = error
        return unread

    def _discovery_service(self, arn: str) -> DiscoveryService | Finding:
        service_id = arn.rpartition("/")[2]
        try:
            found = self._clients.discovery.get_service(Id=service_id)["Service"]
        except ClientError as error:
            if code_of(error) not in _GONE:
                raise
            return _gone(arn)
        records = found.get("DnsConfig", {}).get("DnsRecords", ())
        if any(record["Type"] not in {"A", "SRV"} for record in records):
            kinds = ", ".join(sorted(record["Type"] for record in records))
            return Finding(
                destination=arn, code="record type", text=f"its DNS records are {kinds}; only A and SRV can be managed"
            )
        if "HealthCheckConfig" in found:
            return Finding(
                destination=arn,
                code="health check",
                text="it has a Route 53 health check, which cannot see private addresses",
            )
        return DiscoveryService(
            service_id=service_id,
            ttl=max((record["TTL"] for record in records), default=0),
            has_custom_health="HealthCheckCustomConfig" in found,
        )

    # What ECS registers itself

    def native(self, services: Collection[tuple[str, str]]) -> dict[str, _Ports]:
        """By `cluster/service`: where ECS registers its tasks, with the ports."""
        native, unclear = self._native(services, self._clock.now())
        for error in unclear.values():
            raise error
        return native

    def _native(
        self, services: Collection[tuple[str, str]], now: datetime
    ) -> tuple[dict[str, _Ports], dict[str, Exception]]:
        """As `native`; returns also those that could not be read."""
        known = {one: self._natives.get("/".join(one), now) for one in services}
        missing = sorted(one for one, there in known.items() if there is None)
        native = {"/".join(one): there for one, there in known.items() if there is not None}
        unclear: dict[str, Exception] = {}
        for cluster in sorted({cluster for cluster, _ in missing}):
            names = [name for home, name in missing if home == cluster]
            for batch in batched(names, SERVICES_AT_ONCE, strict=False):
                try:
                    found = self._registrations(cluster, list(batch))
                except (BotoCoreError, ClientError) as error:
                    unclear |= {f"{cluster}/{name}": error for name in batch}
                    continue
                for name, there in found.items():
                    native[f"{cluster}/{name}"] = there
                    self._natives.put(f"{cluster}/{name}", there, now, None if there else UNREGISTERED_KEPT)
        return native, unclear

    def _registrations(self, cluster: str, names: list[str]) -> dict[str, _Ports]:
        """Where ECS registers; nowhere for services that do not exist."""
        found: dict[str, _Ports] = {name: {} for name in names}
        try:
            answer = self._clients.ecs.describe_services(cluster=cluster, services=names)
        except ClientError as error:
            if code_of(error) != "ClusterNotFoundException":
                raise
            return found
        for service in answer["services"]:
            ports: dict[str, set[int]] = defaultdict(set)
            for arn, port in _registered_by(service):
                ports[arn].add(port)
            found[service["serviceName"]] = {arn: frozenset(some) for arn, some in ports.items()}
        return found


def _registered_by(service: Any) -> Iterator[tuple[str, int]]:
    """What a service, its deployments and its task sets name: one under way may still use what was taken out."""
    for one in (service, *service.get("deployments", ()), *service.get("taskSets", ())):
        for balancer in one.get("loadBalancers", ()):
            port = balancer.get("containerPort", 0)
            yield balancer.get("targetGroupArn", ""), port
            if alternate := balancer.get("advancedConfiguration", {}).get("alternateTargetGroupArn"):
                yield alternate, port
        for registry in one.get("serviceRegistries", ()):
            yield registry.get("registryArn", ""), registry.get("containerPort", registry.get("port", 0))


def _gone(arn: str) -> Finding:
    return Finding(destination=arn, code="gone", text="it no longer exists")


def _name(arn: str) -> str:
    """`targetgroup/NAME/…` or `service/ID`."""
    parts = arn.split(":", 5)[5].split("/")
    return parts[1]
