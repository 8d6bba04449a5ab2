"""Target groups and the subnets of their VPCs, kept in the container; for their attributes see `group_attributes`."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from ipaddress import IPv4Network
from itertools import batched
from typing import Any

from botocore.exceptions import ClientError

from berthmaster.clients import Clients
from berthmaster.concurrently import concurrently
from berthmaster.errors import code_of
from berthmaster.expiring import Expiring
from berthmaster.paced_reads import AT_ONCE, PacedReads
from berthmaster.targets.model import Finding, TargetGroup, deleted
from berthmaster.targets.observe.failed_reads import AWS_FAILED

GROUPS_PER_CALL = 20
GROUPS_PER_PAGE = 400
MANY = 160
"""If more are unknown, it takes fewer calls to list all: an account has 3,000 groups by default, which are 8 pages."""
VALID_FOR = timedelta(minutes=10)


class TargetGroups:
    """The target groups that were needed so far, with AWS's default attributes.

    `read` and the `get` that follows take the same time, so that nothing expires between the two.
    """

    def __init__(self, clients: Clients, reads: PacedReads) -> None:
        self._clients = clients
        self._reads = reads
        self._groups: Expiring[TargetGroup | Finding] = Expiring()
        self._vpcs: Expiring[tuple[IPv4Network, ...]] = Expiring()

    def get(self, arn: str, now: datetime) -> TargetGroup | Finding | None:
        """A target group that was read, or why it cannot be managed."""
        return self._groups.get(arn, now)

    def forget(self, arn: str) -> None:
        """Read a target group and the subnets of its VPC again, since what is remembered of it is contradicted."""
        group = self._groups.take(arn)
        if isinstance(group, TargetGroup):
            self._vpcs.forget(group.vpc_id)

    def prefetch(self, arns: Iterable[str], now: datetime) -> None:
        """List all groups if many of these are unknown; what no page has is still unknown, and `read` asks for it."""
        unknown = {arn for arn in arns if self._groups.get(arn, now) is None}
        if len(unknown) <= MANY:
            return
        described: dict[str, Any] = {}
        list_page = partial(self._clients.elbv2.describe_target_groups, PageSize=GROUPS_PER_PAGE)
        page = self._reads.call(list_page)
        described |= _by_arn(page)
        while marker := page.get("NextMarker"):
            page = self._reads.call(list_page, Marker=marker)
            described |= _by_arn(page)
        self._keep(sorted(unknown & described.keys()), described, now)

    def read(self, arns: Sequence[str], now: datetime, may_begin: Callable[[], bool]) -> dict[str, Exception]:
        """Read those that are not known; returns the errors of those that could not be read."""
        failed: dict[str, Exception] = {}
        described: dict[str, Any] = {}
        unknown = [arn for arn in arns if self._groups.get(arn, now) is None]
        batches = list(batched(unknown, GROUPS_PER_CALL, strict=False))
        for one in concurrently(self._described, batches, at_once=AT_ONCE, may_begin=may_begin):
            if isinstance(one.error, AWS_FAILED):
                failed |= dict.fromkeys(one.item, one.error)
            else:
                described |= one.result
        try:
            self._keep([arn for arn in unknown if arn not in failed], described, now)
        except AWS_FAILED as error:
            failed |= dict.fromkeys(unknown, error)
        return failed

    def _described(self, arns: Sequence[str]) -> dict[str, Any]:
        """Target groups by ARN. AWS refuses the whole call for one that was deleted, so then each is asked for."""
        try:
            answer = self._reads.call(self._clients.elbv2.describe_target_groups, TargetGroupArns=list(arns))
        except ClientError as error:
            if code_of(error) != "TargetGroupNotFound":
                raise
            if len(arns) == 1:
                return {}
            return {arn: one for each in arns for arn, one in self._described([each]).items()}
        return _by_arn(answer)

    def _keep(self, arns: Collection[str], described: Mapping[str, Any], now: datetime) -> None:
        self._read_vpcs({described[arn].get("VpcId", "") for arn in arns if arn in described} - {""}, now)
        for arn in arns:
            self._groups.put(arn, self._target_group(described, arn, now), now, VALID_FOR)

    def _target_group(self, all_: Mapping[str, Any], arn: str, now: datetime) -> TargetGroup | Finding:
        described = all_.get(arn)
        if described is None:
            return deleted(arn)
        if described["TargetType"] != "ip" or described.get("IpAddressType", "ipv4") != "ipv4":
            kind = f"{described['TargetType']} {described.get('IpAddressType', '')}".strip()
            return Finding(
                destination=arn,
                code="target type",
                text=f"it takes targets of type {kind}; only ip and ipv4 can be managed",
            )
        vpc_id = described.get("VpcId", "")
        return TargetGroup(
            vpc_id=vpc_id,
            subnet_cidrs=self._cidrs(vpc_id, now),
            protocol=described["Protocol"],
            port=described.get("Port", 0),
            load_balancers=tuple(described.get("LoadBalancerArns", ())),
            has_attributes=False,
        )

    def _cidrs(self, vpc_id: str, now: datetime) -> tuple[IPv4Network, ...]:
        cidrs = self._vpcs.get(vpc_id, now) if vpc_id else ()
        # Without them, all addresses would count as outside the VPC.
        assert cidrs is not None, vpc_id  # noqa: S101 - read just now
        return cidrs

    def _read_vpcs(self, vpc_ids: Collection[str], now: datetime) -> None:
        """Read the subnets of VPCs; a VPC of another account has none, so that all addresses are outside it."""
        unknown = sorted(vpc_id for vpc_id in vpc_ids if self._vpcs.get(vpc_id, now) is None)
        if not unknown:
            return
        found: dict[str, list[IPv4Network]] = {vpc_id: [] for vpc_id in unknown}
        pages = self._clients.ec2.get_paginator("describe_subnets").paginate(
            Filters=[{"Name": "vpc-id", "Values": unknown}]
        )
        for page in pages:
            for one in page["Subnets"]:
                if "CidrBlock" in one:
                    found[one["VpcId"]].append(IPv4Network(one["CidrBlock"]))
        for vpc_id, cidrs in found.items():
            self._vpcs.put(vpc_id, tuple(cidrs), now, VALID_FOR)


def _by_arn(answer: Any) -> dict[str, Any]:
    return {one["TargetGroupArn"]: one for one in answer["TargetGroups"]}
