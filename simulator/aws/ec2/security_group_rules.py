"""Rules of security groups: one id each, refused where AWS refuses them, described, changed in place and revoked.

They stay where moto keeps them, so that what is moto's shows them too.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from moto.ec2.models.security_groups import SecurityGroupRule

from simulator.aws.ec2.filters import select
from simulator.aws.ec2.lookup import tag_list, tags_of
from simulator.aws.service_quotas.quotas import Quotas
from simulator.errors import AwsError, stop_dry_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simulator.account import Account, Handler, Handlers, Params

RULES_PER_GROUP = "L-0EA8095F"
LAST_PORT = 65535
PROTOCOL_NAMES = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1"}
DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")

FIELDS = {"group-id": lambda rule: [rule.group_id], "security-group-rule-id": lambda rule: [rule.id]}


class InPlaceChanges:
    """What ModifySecurityGroupRules refuses besides another kind of peer: by a test, to see what is done then.

    refused: the members of a request that name a peer, such as CidrIpv4.
    """

    def __init__(self, _: Account) -> None:
        self.refused: set[str] = set()


class RuleDescriptions:
    """Descriptions of rules, kept until the next call that writes to EC2."""

    def __init__(self, _: Account) -> None:
        self._known: dict[str, dict[str, Any]] = {}
        self._at = 0

    def of(self, account: Account, rule: Any) -> dict[str, Any]:
        """One rule as DescribeSecurityGroupRules shows it."""
        if account.writes["ec2"] != self._at:
            self._known.clear()
            self._at = account.writes["ec2"]
        if rule.id not in self._known:
            self._known[rule.id] = _described(account, rule)
        return self._known[rule.id]


def find_group(account: Account, params: Params) -> Any:
    """The group (moto's) that a request names by its id, or by its name in the default VPC."""
    name = params.get("GroupId") or params.get("GroupName", "")
    for group in all_groups(account):
        if name == group.id or ("GroupId" not in params and name == group.name and _is_default(account, group.vpc_id)):
            return group
    raise AwsError("InvalidGroup.NotFound", f"The security group '{name}' does not exist")


def all_groups(account: Account) -> list[Any]:
    """Every group (moto's) of the region."""
    return [group for of_vpc in account.backend("ec2").groups.values() for group in of_vpc.values()]


def rules_of(group: Any) -> list[Any]:
    """The rules (moto's) of a group in both directions."""
    return [*group.ingress_rules, *group.egress_rules]


def describe_security_group_rules(account: Account, params: Params) -> dict[str, Any]:
    """DescribeSecurityGroupRules, from moto's state."""
    stop_dry_run(params)
    rules = {rule.id: rule for group in all_groups(account) for rule in rules_of(group)}
    wanted = params.get("SecurityGroupRuleIds", [])
    for rule_id in wanted:
        if rule_id not in rules:
            raise _no_rule(rule_id)
    found = [rules[rule_id] for rule_id in wanted] if wanted else list(rules.values())
    chosen = select(found, params.get("Filters", []), FIELDS, lambda rule: tags_of(account, rule.id))
    descriptions = account.state(RuleDescriptions)
    return {"SecurityGroupRules": [descriptions.of(account, rule) for rule in chosen]}


def _described(account: Account, rule: Any) -> dict[str, Any]:
    answer = {
        "SecurityGroupRuleId": rule.id,
        "SecurityGroupRuleArn": f"arn:aws:ec2:{account.region}:{account.account_id}:security-group-rule/{rule.id}",
        "GroupId": rule.group_id,
        "GroupOwnerId": account.account_id,
        "IsEgress": rule.is_egress,
        "IpProtocol": rule.ip_protocol,
        "FromPort": -1 if rule.from_port is None else rule.from_port,
        "ToPort": -1 if rule.to_port is None else rule.to_port,
        "Tags": tag_list(account, rule.id),
    }
    if rule.source_group:
        names = ("GroupId", "UserId", "VpcId", "VpcPeeringConnectionId", "PeeringStatus")
        answer["ReferencedGroupInfo"] = {name: rule.source_group[name] for name in names if name in rule.source_group}
    if rule.prefix_list_id:
        answer["PrefixListId"] = rule.prefix_list_id
    answer |= {f"CidrIpv{version}": cidr for version, cidr in _cidrs(rule)}
    if text := description_of(rule):
        answer["Description"] = text
    return answer


def _cidrs(rule: Any) -> Iterator[tuple[int, str]]:
    for version, key in ((4, "CidrIp"), (6, "CidrIpv6")):
        if key in rule.ip_range:
            yield version, rule.ip_range[key]


def description_of(rule: Any) -> str:
    """The description of a rule, wherever moto keeps it."""
    places = (rule.ip_range, rule.source_group, getattr(rule, "prefix_list_entry", {}))
    return next((one["Description"] for one in places if one.get("Description")), "")


def _place(rule: Any) -> dict[str, str]:
    """Where the description of a rule is kept."""
    found: dict[str, str] = rule.ip_range or rule.source_group or rule.prefix_list_entry
    return found


def _authorize(*, is_egress: bool) -> Handler:
    def authorize(account: Account, params: Params) -> dict[str, Any]:
        """AuthorizeSecurityGroup*: all rules or none; each has a peer of its own, and no group has one twice."""
        group = find_group(account, params)
        asked = [rule for one in _permissions(params) for rule in _rules(account, group, one, is_egress=is_egress)]
        have = group.egress_rules if is_egress else group.ingress_rules
        keys = {key_of(rule) for rule in have}
        for rule in asked:
            if key_of(rule) in keys:
                peer = _peer(rule)
                ports = f"from port: {rule.from_port}, to port: {rule.to_port}, "
                detail = f"peer: {peer}, {rule.ip_protocol.upper()}, {'' if rule.from_port is None else ports}ALLOW"
                message = f'the specified rule "{detail}" already exists'
                raise AwsError("InvalidPermission.Duplicate", message)
        if len({key_of(rule) for rule in asked}) < len(asked):
            message = "The same permission must not appear multiple times"
            raise AwsError("InvalidParameterValue", message)
        _check_quota(account, [*have, *asked])
        stop_dry_run(params)
        tags = _tags(params)
        for rule in asked:
            rule.add_tags(tags)
        have.extend(asked)
        return {"Return": True, "SecurityGroupRules": [_described(account, rule) for rule in asked]}

    return authorize


def _permissions(params: Params) -> list[Params]:
    """`IpPermissions`, or the one that the parameters for a single rule stand for."""
    found = list(params.get("IpPermissions", []))
    if "CidrIp" in params:
        single = {name: params[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in params}
        found.append(single | {"IpRanges": [{"CidrIp": params["CidrIp"]}]})
    if not found and "SecurityGroupRuleIds" not in params:
        raise AwsError("MissingParameter", "Either 'ipPermissions' or 'securityGroupRuleIds' should be provided.")
    return found


def _rules(account: Account, group: Any, permission: Params, *, is_egress: bool) -> Iterator[Any]:
    """The rules that an `IpPermission` stands for, checked."""
    if "IpProtocol" not in permission:
        message = "Invalid value 'null' for protocol. VPC security group rules must specify protocols explicitly."
        raise AwsError("InvalidParameterValue", message)
    protocol = str(permission["IpProtocol"]).lower()
    protocol = PROTOCOL_NAMES.get(protocol, protocol)
    ports = _ports(protocol, permission)
    for entry in permission.get("IpRanges", []):
        yield _rule(account, group, protocol, ports, is_egress, cidr=_canonical(entry, "CidrIp"))
    for entry in permission.get("Ipv6Ranges", []):
        yield _rule(account, group, protocol, ports, is_egress, cidr=_canonical(entry, "CidrIpv6"))
    for pair in permission.get("UserIdGroupPairs", []):
        yield _rule(account, group, protocol, ports, is_egress, reference=_reference(account, group, pair))
    for entry in permission.get("PrefixListIds", []):
        prefix_list = account.backend("ec2").managed_prefix_lists.get(entry["PrefixListId"])
        if prefix_list is None or prefix_list.state == "delete-complete":
            message = f"The prefix list ID '{entry['PrefixListId']}' does not exist"
            raise AwsError("InvalidPrefixListID.NotFound", message)
        if prefix_list.state == "create-in-progress":
            message = f"The prefix list '{prefix_list.id}' is in the state {prefix_list.state}."
            raise AwsError("IncorrectState", message)
        yield _rule(account, group, protocol, ports, is_egress, prefix_list=entry)


def _rule(
    account: Account,
    group: Any,
    protocol: str,
    ports: tuple[int | None, int | None],
    is_egress: bool,  # noqa: FBT001 - private, and named where it is called from
    *,
    cidr: Mapping[str, str] | None = None,
    reference: Mapping[str, str] | None = None,
    prefix_list: Mapping[str, str] | None = None,
) -> Any:
    for entry in (cidr, reference, prefix_list):
        if entry and not DESCRIPTION.fullmatch(entry.get("Description", "")):
            message = "Invalid rule description. Valid descriptions are strings less than 256 characters from the set "
            raise AwsError("InvalidParameterValue", message + "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*")
    rule: Any = SecurityGroupRule(
        account.backend("ec2"),
        protocol,
        group.id,
        "0",
        "0",
        dict(cidr or {}),
        dict(reference or {}),
        dict(prefix_list) if prefix_list else None,
        is_egress=is_egress,
    )
    rule.from_port, rule.to_port = ports
    rule.prefix_list_entry = dict(prefix_list or {})
    return rule


def _ports(protocol: str, permission: Params) -> tuple[int | None, int | None]:
    first, last = permission.get("FromPort"), permission.get("ToPort")
    if protocol in {"tcp", "udp"}:
        if first is None or last is None:
            message = "Invalid value for portRange. Must specify both from and to ports with TCP/UDP."
            raise AwsError("InvalidParameterValue", message)
        if (first, last) == (-1, -1):
            return 0, LAST_PORT
        if not 0 <= first <= last <= LAST_PORT:
            raise AwsError("InvalidParameterValue", f"Invalid value '{first}-{last}' for portRange.")
        return first, last
    if protocol in {"icmp", "icmpv6"}:
        return (-1 if first is None else first), (-1 if last is None else last)
    if protocol != "-1" and not protocol.isdigit():
        raise AwsError("InvalidParameterValue", f"Invalid value '{protocol}' for IP protocol. Unknown protocol.")
    return None, None


def _canonical(entry: Mapping[str, str], key: str) -> dict[str, str]:
    kind = ipaddress.IPv4Network if key == "CidrIp" else ipaddress.IPv6Network
    try:
        network = kind(entry[key], strict=False)
    except ValueError:
        raise AwsError("InvalidParameterValue", f"CIDR block {entry[key]} is malformed") from None
    return {**entry, key: str(network)}


def _reference(account: Account, group: Any, pair: Mapping[str, str]) -> dict[str, str]:
    """The group that a rule names: of the same VPC, of one that is peered with it, or of another account."""
    owner = pair.get("UserId", account.account_id)
    if owner != account.account_id:
        return {"UserId": owner, **pair}
    name = {"GroupId": pair["GroupId"]} if "GroupId" in pair else {"GroupName": pair.get("GroupName", "")}
    other = find_group(account, name)
    found = {**pair, "GroupId": other.id, "UserId": owner}
    found.pop("GroupName", None)
    if other.vpc_id == group.vpc_id:
        return found
    for peering in account.backend("ec2").vpc_pcxs.values():
        if peering._status.code == "active" and {peering.vpc.id, peering.peer_vpc.id} == {other.vpc_id, group.vpc_id}:
            return found | {"VpcId": other.vpc_id, "VpcPeeringConnectionId": peering.id, "PeeringStatus": "active"}
    raise AwsError("InvalidGroup.NotFound", f"The security group '{other.id}' does not exist")


def key_of(rule: Any) -> tuple[Any, ...]:
    """What makes two rules of a group and direction the same one."""
    return rule.ip_protocol, rule.from_port, rule.to_port, _peer(rule)


def _peer(rule: Any) -> str:
    cidr = next((cidr for _, cidr in _cidrs(rule)), "")
    found: str = cidr or rule.source_group.get("GroupId", "") or rule.prefix_list_id
    return found


def _check_quota(account: Account, rules: list[Any]) -> None:
    """Of IPv4 and of IPv6, so many rules a direction; a prefix list counts as many as it may have entries."""
    lists = account.backend("ec2").managed_prefix_lists
    for version, family in ((4, "IPv4"), (6, "IPv6")):
        count = 0
        for rule in rules:
            if rule.prefix_list_id:
                one = lists[rule.prefix_list_id]
                count += int(one.max_entries or 1) * (one.address_family == family)
            else:
                count += bool(rule.source_group) or version in dict(_cidrs(rule))
        if count > account.state(Quotas).value(RULES_PER_GROUP):
            message = "The maximum number of rules per security group has been reached."
            raise AwsError("RulesPerSecurityGroupLimitExceeded", message)


def _tags(params: Params) -> dict[str, str]:
    return {
        tag["Key"]: tag["Value"]
        for specification in params.get("TagSpecifications", [])
        if specification["ResourceType"] == "security-group-rule"
        for tag in specification["Tags"]
    }


def _revoke(*, is_egress: bool) -> Handler:
    def revoke(account: Account, params: Params) -> dict[str, Any]:
        """RevokeSecurityGroup*: all rules or none; in the default VPC, those that are there."""
        group = find_group(account, params)
        have = group.egress_rules if is_egress else group.ingress_rules
        by_id, by_key = {rule.id: rule for rule in have}, {key_of(rule): rule for rule in have}
        gone, unknown = [], []
        for rule_id in params.get("SecurityGroupRuleIds", []):
            if rule_id not in by_id:
                raise _no_rule(rule_id)
            gone.append(by_id[rule_id])
        for permission in _permissions(params):
            for rule in _rules(account, group, permission, is_egress=is_egress):
                if key_of(rule) in by_key:
                    gone.append(by_key[key_of(rule)])
                elif _is_default(account, group.vpc_id):
                    unknown.append(permission)
                else:
                    message = "The specified rule does not exist in this security group."
                    raise AwsError("InvalidPermission.NotFound", message)
        stop_dry_run(params)
        ids = {rule.id for rule in gone}
        have[:] = [rule for rule in have if rule.id not in ids]
        revoked = [_revoked(_described(account, rule)) for rule in gone]
        for rule in gone:
            account.backend("ec2").tags.pop(rule.id, None)
        return {"Return": True, "UnknownIpPermissions": unknown, "RevokedSecurityGroupRules": revoked}

    return revoke


def _revoked(description: Mapping[str, Any]) -> dict[str, Any]:
    """A rule as Revoke returns it: without its tags and ARN."""
    hidden = {"Tags", "SecurityGroupRuleArn", "GroupOwnerId", "ReferencedGroupInfo"}
    answer = {name: value for name, value in description.items() if name not in hidden}
    if reference := description.get("ReferencedGroupInfo"):
        answer["ReferencedGroupId"] = reference["GroupId"]
    return answer


def modify_security_group_rules(account: Account, params: Params) -> dict[str, Any]:
    """ModifySecurityGroupRules: in place, all or none; the kind of peer stays as it is.

    What a request leaves out is gone, a description too. Rules keep their ids and tags.
    """
    group = find_group(account, params)
    rules = {rule.id: rule for rule in rules_of(group)}
    changes = []
    for update in params["SecurityGroupRules"]:
        rule_id, wanted = update["SecurityGroupRuleId"], update["SecurityGroupRule"]
        if rule_id not in rules:
            raise _no_rule(rule_id)
        if not account.state(InPlaceChanges).refused.isdisjoint(wanted):
            raise AwsError("OperationNotPermitted", f"The security group rule '{rule_id}' cannot be modified.")
        new = _wanted(account, group, rules[rule_id], wanted)
        if _kind(new) != _kind(rules[rule_id]):
            message = f"Invalid rule type for security group rule '{rule_id}'. You may not change its source type."
            raise AwsError("InvalidParameterValue", message)
        changes.append((rules[rule_id], new))
    changed = {old.id for old, _ in changes}
    after = [one for one in rules.values() if one.id not in changed] + [new for _, new in changes]
    if len({(one.is_egress, key_of(one)) for one in after}) < len(after):
        raise AwsError("InvalidPermission.Duplicate", "the specified rule already exists")
    for is_egress in {new.is_egress for _, new in changes}:
        _check_quota(account, [one for one in after if one.is_egress is is_egress])
    stop_dry_run(params)
    for old, new in changes:
        for name in ("ip_protocol", "from_port", "to_port", "ip_range", "source_group", "prefix_list_id"):
            setattr(old, name, getattr(new, name))
        old.prefix_list_entry = new.prefix_list_entry
    return {"Return": True}


def _wanted(account: Account, group: Any, old: Any, wanted: Params) -> Any:
    """The rule that a request makes of an old one."""
    text = {"Description": wanted["Description"]} if "Description" in wanted else {}
    permission: dict[str, Any] = {name: wanted[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in wanted}
    for name, entries, key in (
        ("CidrIpv4", "IpRanges", "CidrIp"),
        ("CidrIpv6", "Ipv6Ranges", "CidrIpv6"),
        ("PrefixListId", "PrefixListIds", "PrefixListId"),
        ("ReferencedGroupId", "UserIdGroupPairs", "GroupId"),
    ):
        if name in wanted:
            permission[entries] = [{key: wanted[name], **text}]
    made = list(_rules(account, group, permission, is_egress=old.is_egress))
    if len(made) != 1:
        message = "The request must contain exactly one of: cidrIp, cidrIpv6, prefixListId, or referencedGroupId"
        raise AwsError("InvalidParameterCombination" if made else "MissingParameter", message)
    return made[0]


def _kind(rule: Any) -> tuple[bool, ...]:
    return ("CidrIp" in rule.ip_range, "CidrIpv6" in rule.ip_range, bool(rule.source_group), bool(rule.prefix_list_id))


def _describe(*, is_egress: bool) -> Handler:
    def update(account: Account, params: Params) -> dict[str, Any]:
        """UpdateSecurityGroupRuleDescriptions*: a rule without a new description loses the one it had."""
        group = find_group(account, params)
        have = group.egress_rules if is_egress else group.ingress_rules
        by_id, by_key = {rule.id: rule for rule in have}, {key_of(rule): rule for rule in have}
        texts = {}
        for one in params.get("SecurityGroupRuleDescriptions", []):
            if one["SecurityGroupRuleId"] not in by_id:
                raise _no_rule(one["SecurityGroupRuleId"])
            texts[one["SecurityGroupRuleId"]] = one.get("Description", "")
        for permission in params.get("IpPermissions", []):
            for rule in _rules(account, group, permission, is_egress=is_egress):
                if key_of(rule) not in by_key:
                    message = "The specified rule does not exist in this security group."
                    raise AwsError("InvalidPermission.NotFound", message)
                texts[by_key[key_of(rule)].id] = description_of(rule)
        for rule_id, text in texts.items():
            _place(by_id[rule_id])["Description"] = text
        return {"Return": True}

    return update


def _is_default(account: Account, vpc_id: str) -> bool:
    vpc = account.backend("ec2").vpcs.get(vpc_id)
    return vpc is not None and str(vpc.is_default).lower() == "true"


def _no_rule(rule_id: str) -> AwsError:
    return AwsError("InvalidSecurityGroupRuleId.NotFound", f"The security group rule ID '{rule_id}' does not exist")


HANDLERS: Handlers = {
    "ec2:DescribeSecurityGroupRules": describe_security_group_rules,
    "ec2:AuthorizeSecurityGroupIngress": _authorize(is_egress=False),
    "ec2:AuthorizeSecurityGroupEgress": _authorize(is_egress=True),
    "ec2:RevokeSecurityGroupIngress": _revoke(is_egress=False),
    "ec2:RevokeSecurityGroupEgress": _revoke(is_egress=True),
    "ec2:UpdateSecurityGroupRuleDescriptionsIngress": _describe(is_egress=False),
    "ec2:UpdateSecurityGroupRuleDescriptionsEgress": _describe(is_egress=True),
    "ec2:ModifySecurityGroupRules": modify_security_group_rules,
}
