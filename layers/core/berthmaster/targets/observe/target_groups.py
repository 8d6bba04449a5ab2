"""Target groups with their attributes and their VPCs, kept in the container."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from ipaddress import IPv4Network
from itertools import batched
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.clients import Clients
from berthmaster.concurrently import concurrently
from berthmaster.errors import code_of
from berthmaster.expiring import Expiring
from berthmaster.targets.model import Finding, TargetGroup, deleted

GROUPS_PER_CALL = 20
AT_ONCE = 4
"""Elastic Load Balancing allows an account bursts of 40 Describe calls, and 10 a second."""
VALID_FOR = timedelta(minutes=10)


class TargetGroups:
    """The target groups that were needed so far.

    `read` and the `get` that follows take the same time, so that nothing expires between the two.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._groups: Expiring[TargetGroup | Finding] = Expiring()
        self._vpcs: Expiring[tuple[IPv4Network, ...]] = Expiring()

    def get(self, arn: str, now: datetime) -> TargetGroup | Finding | None:
        """A target group that was read, or why it cannot be managed."""
        return self._groups.get(arn, now)

    def read(self, arns: Sequence[str], now: datetime) -> dict[str, Exception]:
        """Read those that are not known; returns AWS's errors for those that could not be read."""
        failed: dict[str, Exception] = {}
        unknown = [arn for arn in arns if self._groups.get(arn, now) is None]
        for batch in batched(unknown, GROUPS_PER_CALL, strict=False):
            try:
                described = self._described(list(batch))
                self._read_vpcs({one.get("VpcId", "") for one in described.values()} - {""}, now)
            except (BotoCoreError, ClientError) as error:
                failed |= dict.fromkeys(batch, error)
                continue
            for one in concurrently(partial(self._target_group, described, now=now), batch, at_once=AT_ONCE):
                if isinstance(one.error, BotoCoreError | ClientError):
                    failed[one.item] = one.error
                else:
                    self._groups.put(one.item, one.result, now, VALID_FOR)
        return failed

    def _described(self, arns: list[str]) -> dict[str, Any]:
        """Target groups by ARN. AWS refuses the whole call for one that was deleted, so then each is asked for."""
        try:
            answer = self._clients.elbv2.describe_target_groups(TargetGroupArns=arns)
        except ClientError as error:
            if code_of(error) != "TargetGroupNotFound":
                raise
            if len(arns) == 1:
                return {}
            return {arn: one for each in arns for arn, one in self._described([each]).items()}
        return {one["TargetGroupArn"]: one for one in answer["TargetGroups"]}

    def _target_group(self, all_: Mapping[str, Any], arn: str, *, now: datetime) -> TargetGroup | Finding:
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
        try:
            answer = self._clients.elbv2.describe_target_group_attributes(TargetGroupArn=arn)
        except ClientError as error:
            if code_of(error) != "TargetGroupNotFound":
                raise
            return deleted(arn)
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
        # Without them, all addresses would count as outside the VPC.
        assert cidrs is not None, vpc_id  # noqa: S101 - read just now
        return cidrs

    def _read_vpcs(self, vpc_ids: Collection[str], now: datetime) -> None:
        """Read the CIDRs of VPCs; a VPC of another account has none, so that all addresses are outside it."""
        unknown = sorted(vpc_id for vpc_id in vpc_ids if self._vpcs.get(vpc_id, now) is None)
        if not unknown:
            return
        pages = self._clients.ec2.get_paginator("describe_vpcs").paginate(
            Filters=[{"Name": "vpc-id", "Values": unknown}]
        )
        found = {one["VpcId"]: one for page in pages for one in page["Vpcs"]}
        for vpc_id in unknown:
            blocks = found.get(vpc_id, {}).get("CidrBlockAssociationSet", ())
            cidrs = tuple(
                IPv4Network(block["CidrBlock"])
                for block in blocks
                if block["CidrBlockState"]["State"] in {"associated", "associating"}
            )
            self._vpcs.put(vpc_id, cidrs, now, VALID_FOR)
