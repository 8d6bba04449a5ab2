"""The change that people make where a rule comes from: in a template, in Terraform, or by the CLI."""

import json
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from berthmaster.security_groups.model.removals import Origin
from berthmaster.security_groups.model.rules import (
    ANY,
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    Direction,
    Group,
    GroupReference,
    Rule,
)

STACK, LOGICAL_ID = "aws:cloudformation:stack-name", "aws:cloudformation:logical-id"
_NAMES = {ANY: "-1", TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6"}


@dataclass(frozen=True, slots=True)
class Changes:
    """What to change where. where: who makes the rule, as a sentence without a full stop.

    cli: a command. cloudformation, terraform: the lines that go, each with a minus before it.
    """

    where: str
    cli: str
    cloudformation: str
    terraform: str


def changes_of(rule: Rule, group: Group | None, origin: Origin, region: str) -> Changes:
    """How a rule is removed from the code that makes it."""
    return Changes(_where(group, origin), _cli(rule, region), _cloudformation(rule), _terraform(rule))


def _where(group: Group | None, origin: Origin) -> str:
    tags = dict(group.tags) if group else {}
    if stack := tags.get(STACK):
        resource = f", as {tags[LOGICAL_ID]}" if LOGICAL_ID in tags else ""
        return f"The CloudFormation stack {stack} makes it{resource}"
    if origin is Origin.CLOUDFORMATION:
        return "CloudFormation makes it"
    return "Infrastructure as code makes it"


def _cli(rule: Rule, region: str) -> str:
    return (
        f"aws ec2 revoke-security-group-{rule.direction} --region {region} --group-id {rule.group}"
        f" --security-group-rule-ids {rule.id}"
    )


def _cloudformation(rule: Rule) -> str:
    is_ingress = rule.direction is Direction.INGRESS
    match rule.peer:
        case IPv4Network():
            peer = [("CidrIp", str(rule.peer))]
        case IPv6Network():
            peer = [("CidrIpv6", str(rule.peer))]
        case GroupReference():
            peer = [("SourceSecurityGroupId" if is_ingress else "DestinationSecurityGroupId", rule.peer.group)]
        case _:
            peer = [("SourcePrefixListId" if is_ingress else "DestinationPrefixListId", rule.peer.prefix_list)]
    fields = [("IpProtocol", _protocol(rule)), *_numbers(rule, "FromPort", "ToPort"), *peer]
    if rule.description:
        fields.append(("Description", rule.description))
    first, *more = (f"{key}: {_quoted(value)}" for key, value in fields)
    name = "SecurityGroupIngress" if is_ingress else "SecurityGroupEgress"
    return _removed([f"# {name}:", f"- {first}", *(f"  {line}" for line in more)])


def _terraform(rule: Rule) -> str:
    match rule.peer:
        case IPv4Network():
            peer = ("cidr_ipv4", str(rule.peer))
        case IPv6Network():
            peer = ("cidr_ipv6", str(rule.peer))
        case GroupReference():
            peer = ("referenced_security_group_id", rule.peer.group)
        case _:
            peer = ("prefix_list_id", rule.peer.prefix_list)
    fields = [
        ("security_group_id", rule.group),
        ("ip_protocol", _protocol(rule)),
        *_numbers(rule, "from_port", "to_port"),
        peer,
    ]
    if rule.description:
        fields.append(("description", rule.description))
    width = max(len(key) for key, _ in fields)
    return _removed(
        [
            f'resource "aws_vpc_security_group_{rule.direction}_rule" "..." {{ # {rule.id}',
            *(f"  {key:{width}} = {_literal(value)}" for key, value in fields),
            "}",
        ]
    )


def _protocol(rule: Rule) -> str:
    return _NAMES.get(rule.protocol, str(rule.protocol))


def _numbers(rule: Rule, first: str, last: str) -> list[tuple[str, str | int]]:
    if rule.protocol in {TCP, UDP}:
        return [(first, rule.ports[0]), (last, rule.ports[1])]
    if rule.protocol in {ICMP, ICMPV6}:
        return [(first, rule.icmp[0]), (last, rule.icmp[1])]
    return []


def _quoted(value: str | int) -> str:
    """A string of JSON is one of YAML, and of HCL too but for its templates."""
    return json.dumps(value)


def _literal(value: str | int) -> str:
    return _quoted(value).replace("${", "$${").replace("%{", "%%{")


def _removed(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
