"""Security groups: described, deleted when nothing depends on them, and named by rules of other VPCs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.aws.ec2.addresses import Interfaces
from simulator.aws.ec2.filters import select
from simulator.aws.ec2.lookup import tag_list, tags_of
from simulator.aws.ec2.security_group_rules import all_groups, description_of, find_group, rules_of
from simulator.errors import AwsError, stop_dry_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simulator.account import Account, Handlers, Params


def _of_rules(*, is_egress: bool, read: Callable[[Any], str]) -> Callable[[Any], Iterable[str]]:
    def values(group: Any) -> Iterable[str]:
        return [read(rule) for rule in (group.egress_rules if is_egress else group.ingress_rules)]

    return values


# DescribeSecurityGroups in the EC2 API reference.
FIELDS = {
    "vpc-id": lambda group: [group.vpc_id],
    "owner-id": lambda group: [group.owner_id],
    "group-id": lambda group: [group.id],
    "group-name": lambda group: [group.name],
    "description": lambda group: [group.description],
    **{
        f"{prefix}ip-permission.{name}": _of_rules(is_egress=bool(prefix), read=read)
        for prefix in ("", "egress.")
        for name, read in (
            ("cidr", lambda rule: rule.ip_range.get("CidrIp", "")),
            ("ipv6-cidr", lambda rule: rule.ip_range.get("CidrIpv6", "")),
            ("group-id", lambda rule: rule.source_group.get("GroupId", "")),
            ("prefix-list-id", lambda rule: rule.prefix_list_id or ""),
            ("protocol", lambda rule: rule.ip_protocol),
            ("from-port", lambda rule: str(rule.from_port)),
            ("to-port", lambda rule: str(rule.to_port)),
        )
    },
}
FIELDS_FOR_VPC = {name: FIELDS[name] for name in ("group-id", "description", "group-name", "owner-id")} | {
    "primary-vpc-id": FIELDS["vpc-id"]
}


def describe_security_groups(account: Account, params: Params) -> dict[str, Any]:
    """DescribeSecurityGroups, from moto's state."""
    stop_dry_run(params)
    groups = all_groups(account)
    if wanted := params.get("GroupIds", []):
        groups = [find_group(account, {"GroupId": group_id}) for group_id in wanted]
    elif names := params.get("GroupNames", []):
        groups = [find_group(account, {"GroupName": name}) for name in names]
    chosen = select(groups, params.get("Filters", []), FIELDS, lambda group: tags_of(account, group.id))
    return {"SecurityGroups": [_described(account, group) for group in chosen]}


def _described(account: Account, group: Any) -> dict[str, Any]:
    return {
        "GroupId": group.id,
        "GroupName": group.name,
        "Description": group.description,
        "OwnerId": group.owner_id,
        "VpcId": group.vpc_id,
        "SecurityGroupArn": group.arn,
        "IpPermissions": _permissions(group.ingress_rules),
        "IpPermissionsEgress": _permissions(group.egress_rules),
        "Tags": tag_list(account, group.id),
    }


def _permissions(rules: Iterable[Any]) -> list[dict[str, Any]]:
    """Rules of one protocol and ports are one `IpPermission`."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for rule in rules:
        ports = {"FromPort": rule.from_port, "ToPort": rule.to_port} if rule.from_port is not None else {}
        new = {"IpProtocol": rule.ip_protocol, **ports} | {name: [] for name in _PEERS}
        one = found.setdefault((rule.ip_protocol, rule.from_port, rule.to_port), new)
        text = {"Description": description_of(rule)} if description_of(rule) else {}
        if rule.source_group:
            names = ("GroupId", "UserId", "VpcId", "VpcPeeringConnectionId", "PeeringStatus")
            pair = {name: rule.source_group[name] for name in names if name in rule.source_group}
            one["UserIdGroupPairs"].append(pair | text)
        elif rule.prefix_list_id:
            one["PrefixListIds"].append({"PrefixListId": rule.prefix_list_id} | text)
        else:
            for key, into in (("CidrIp", "IpRanges"), ("CidrIpv6", "Ipv6Ranges")):
                if key in rule.ip_range:
                    one[into].append({key: rule.ip_range[key]} | text)
    return list(found.values())


_PEERS = ("IpRanges", "Ipv6Ranges", "UserIdGroupPairs", "PrefixListIds")


def delete_security_group(account: Account, params: Params) -> dict[str, Any]:
    """DeleteSecurityGroup: refused while an interface has it, or a rule of another group in its VPC names it."""
    group = find_group(account, params)
    if group.name == "default":
        message = f'the specified group: "{group.id}" name: "default" cannot be deleted by a user'
        raise AwsError("CannotDelete", message)
    in_use = any(one.id == group.id for eni in account.state(Interfaces).values() for one in eni.group_set)
    siblings = [one for one in all_groups(account) if one.vpc_id == group.vpc_id and one.id != group.id]
    is_named = any(rule.source_group.get("GroupId") == group.id for one in siblings for rule in rules_of(one))
    if in_use or is_named:
        raise AwsError("DependencyViolation", f"resource {group.id} has a dependent object")
    stop_dry_run(params)
    account.backend("ec2").delete_security_group(group_id=group.id)
    for name in (group.id, *(rule.id for rule in rules_of(group))):
        account.backend("ec2").tags.pop(name, None)
    return {"Return": True, "GroupId": group.id}


def describe_security_group_references(account: Account, params: Params) -> dict[str, Any]:
    """DescribeSecurityGroupReferences: the VPCs on the other side of a peering whose rules name these groups."""
    stop_dry_run(params)
    wanted = {find_group(account, {"GroupId": group_id}).id for group_id in params["GroupId"]}
    found = {
        (rule.source_group["GroupId"], group.vpc_id, rule.source_group["VpcPeeringConnectionId"])
        for group in all_groups(account)
        for rule in rules_of(group)
        if rule.source_group.get("GroupId") in wanted and "VpcPeeringConnectionId" in rule.source_group
    }
    names = ("GroupId", "ReferencingVpcId", "VpcPeeringConnectionId")
    return {"SecurityGroupReferenceSet": [dict(zip(names, one, strict=True)) for one in sorted(found)]}


def describe_stale_security_groups(account: Account, params: Params) -> dict[str, Any]:
    """DescribeStaleSecurityGroups: rules of a VPC that name a group that is gone, or one whose peering is gone."""
    stop_dry_run(params)
    vpc = account.backend("ec2").get_vpc(params["VpcId"])
    known = {group.id for group in all_groups(account)}
    found = []
    for group in all_groups(account):
        stale = [rule for rule in rules_of(group) if group.vpc_id == vpc.id and _is_stale(account, rule, known)]
        if stale:
            found.append(
                {
                    "GroupId": group.id,
                    "GroupName": group.name,
                    "Description": group.description,
                    "VpcId": group.vpc_id,
                    "StaleIpPermissions": _permissions(rule for rule in stale if not rule.is_egress),
                    "StaleIpPermissionsEgress": _permissions(rule for rule in stale if rule.is_egress),
                }
            )
    return {"StaleSecurityGroupSet": found}


def _is_stale(account: Account, rule: Any, known: set[str]) -> bool:
    peering = rule.source_group.get("VpcPeeringConnectionId")
    if peering is None:
        return False
    there = account.backend("ec2").vpc_pcxs.get(peering)
    return rule.source_group["GroupId"] not in known or there is None or there._status.code != "active"


def get_security_groups_for_vpc(account: Account, params: Params) -> dict[str, Any]:
    """GetSecurityGroupsForVpc: the groups that interfaces of a VPC may have."""
    stop_dry_run(params)
    vpc = account.backend("ec2").get_vpc(params["VpcId"])
    groups = [group for group in all_groups(account) if group.vpc_id == vpc.id]
    chosen = select(groups, params.get("Filters", []), FIELDS_FOR_VPC, lambda group: tags_of(account, group.id))
    return {
        "SecurityGroupForVpcs": [
            {
                "GroupId": group.id,
                "GroupName": group.name,
                "Description": group.description,
                "OwnerId": group.owner_id,
                "PrimaryVpcId": group.vpc_id,
                "Tags": tag_list(account, group.id),
            }
            for group in chosen
        ]
    }


HANDLERS: Handlers = {
    "ec2:DescribeSecurityGroups": describe_security_groups,
    "ec2:DeleteSecurityGroup": delete_security_group,
    "ec2:DescribeSecurityGroupReferences": describe_security_group_references,
    "ec2:DescribeStaleSecurityGroups": describe_stale_security_groups,
    "ec2:GetSecurityGroupsForVpc": get_security_groups_for_vpc,
}
