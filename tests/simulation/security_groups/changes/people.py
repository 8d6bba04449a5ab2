"""People, and programs of theirs, who change rules by hand between any two steps of a removal."""

from collections.abc import Callable
from functools import partial
from ipaddress import ip_network
from random import Random
from typing import Any

from botocore.exceptions import ClientError

from berthmaster.security_groups.model.tags import KEEP, MANAGED, TAG
from tests.simulation.security_groups.changes.witness import RuleState, Witness
from tests.simulation.security_groups.company import HOUR, Company, rules_of

APPLIES = 0.5 * HOUR
"""How often a pipeline makes the rules of its group what they were."""


class People:
    """Edits rules. touched: ids of rules that somebody has changed, deleted or made again, or tagged."""

    def __init__(self, company: Company, random: Random, witness: Witness) -> None:
        self.touched: set[str] = set()
        self._company = company
        self._random = random
        self._witness = witness
        self._ec2 = company.cloud.client("ec2")
        self._wanted: dict[str, RuleState] = {}

    def state(self, rule: str) -> RuleState | None:
        """A rule as it is now; None if it is gone."""
        group = next(
            (one["GroupId"] for one in rules_of(self._company.cloud) if one["SecurityGroupRuleId"] == rule), ""
        )
        return self._witness.state(group)[rule] if group else None

    def edit_later(self, rule: str, delay: float, original: RuleState) -> None:
        """After some seconds, do one of the things that people do to a rule, which was so before it was removed."""
        self.touched.add(rule)
        self._company.cloud.clock.after(delay, partial(self._edit, rule, original))

    def _edit(self, rule: str, original: RuleState) -> None:
        now = self._witness.state(original.group).get(rule)
        edits: list[Callable[[RuleState], None]] = [self._make_again] if now is None else self._edits(now, original)
        try:
            self._random.choice(edits)(now or original)
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidPermission.Duplicate":
                raise

    def _edits(self, now: RuleState, original: RuleState) -> list[Callable[[RuleState], None]]:
        is_changed = now.terms != original.terms
        return [
            *(self._widen, self._widen, self._widen),
            partial(self._describe, text=f"edited {self._random.randrange(100)}"),
            self._tag,
            self._keep,
            self._delete,
            *([lambda _: self._make_again(original), lambda _: self._set_back(original)] if is_changed else []),
            self._unmanage_for_a_while,
        ]

    def _widen(self, rule: RuleState) -> None:
        """Other ports, or of a rule without, another peer."""
        kept = rule.kept
        ports = [kept.from_port, kept.to_port]
        peer = _peer(kept)
        if kept.ip_protocol in ("tcp", "udp"):
            ports[1] = min(65535, ports[1] + 1 + self._random.randrange(50))
        elif "CidrIpv4" in peer:
            peer = {"CidrIpv4": str(ip_network(peer["CidrIpv4"]).supernet())}
        self._modify(rule, ports, peer, rule.description)

    def _describe(self, rule: RuleState, text: str) -> None:
        self._modify(rule, [rule.kept.from_port, rule.kept.to_port], _peer(rule.kept), text)

    def _set_back(self, original: RuleState) -> None:
        kept = original.kept
        self._modify(original, [kept.from_port, kept.to_port], _peer(kept), original.description)

    def _modify(self, rule: RuleState, ports: list[int | None], peer: dict[str, str], text: str) -> None:
        given = {name: port for name, port in zip(("FromPort", "ToPort"), ports, strict=True) if port is not None}
        wanted = {"IpProtocol": rule.kept.ip_protocol, **given, **peer, "Description": text}
        self._ec2.modify_security_group_rules(
            GroupId=rule.group, SecurityGroupRules=[{"SecurityGroupRuleId": rule.id, "SecurityGroupRule": wanted}]
        )

    def _delete(self, rule: RuleState) -> None:
        call = self._ec2.revoke_security_group_egress if rule.is_egress else self._ec2.revoke_security_group_ingress
        call(GroupId=rule.group, SecurityGroupRuleIds=[rule.id])

    def _make_again(self, rule: RuleState) -> None:
        """The same rule, with another id."""
        kept = rule.kept
        names = {
            "CidrIpv4": ("IpRanges", "CidrIp"),
            "CidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
            "PrefixListId": ("PrefixListIds", "PrefixListId"),
            "ReferencedGroupId": ("UserIdGroupPairs", "GroupId"),
        }
        [(kind, value)] = _peer(kept).items()
        entries, key = names[kind]
        ports = {"FromPort": kept.from_port, "ToPort": kept.to_port} if kept.from_port is not None else {}
        permission = {"IpProtocol": kept.ip_protocol, **ports, entries: [{key: value}]}
        ec2 = self._ec2
        call = ec2.authorize_security_group_egress if rule.is_egress else ec2.authorize_security_group_ingress
        call(GroupId=rule.group, IpPermissions=[permission])

    def _tag(self, rule: RuleState) -> None:
        self._ec2.create_tags(Resources=[rule.id], Tags=[{"Key": "seen-by", "Value": "bob"}])

    def _keep(self, rule: RuleState) -> None:
        self._ec2.create_tags(Resources=[rule.id], Tags=[{"Key": KEEP, "Value": "we need it"}])

    def _unmanage_for_a_while(self, rule: RuleState) -> None:
        tag = {"Key": TAG, "Value": MANAGED}
        self._ec2.delete_tags(Resources=[rule.group], Tags=[tag])
        manage = partial(self._ec2.create_tags, Resources=[rule.group], Tags=[tag])
        self._company.cloud.clock.after(self._random.uniform(600, HOUR), manage)

    # Programs

    def maintain(self, group: str) -> None:
        """Have a pipeline make the rules of a group what they are now, again and again, whatever others do to them."""
        self._wanted = self._witness.state(self._company.groups[group])
        self.touched |= self._wanted.keys()
        self._company.every(APPLIES, self._apply)

    def _apply(self) -> None:
        there = {one["SecurityGroupRuleId"] for one in rules_of(self._company.cloud)}
        for rule, wanted in list(self._wanted.items()):
            if rule in there:
                if self._witness.state(wanted.group)[rule].terms != wanted.terms:
                    self._set_back(wanted)
                continue
            state = self._witness.state(wanted.group)
            if all(one.terms != wanted.terms for one in state.values()):
                self._make_again(wanted)
                state = self._witness.state(wanted.group)
            made = next(one for one in state.values() if one.terms == wanted.terms)
            del self._wanted[rule]
            self._wanted[made.id] = made


def _peer(kept: Any) -> dict[str, str]:
    if kept.source_group:
        return {"ReferencedGroupId": kept.source_group["GroupId"]}
    if kept.prefix_list_id:
        return {"PrefixListId": kept.prefix_list_id}
    name = "CidrIpv4" if "CidrIp" in kept.ip_range else "CidrIpv6"
    return {name: kept.ip_range["CidrIp" if name == "CidrIpv4" else "CidrIpv6"]}
