"""Empty groups and prefix lists of ours, which rules in quarantine name instead of what they named.

They carry a tag, so that IAM lets nothing else be made or changed, and names by which they are found again after a
crash. Only what has both is ours: whoever tags a group of theirs does not have it emptied. A second one is made when a
rule with the same traffic names the first one already.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.errors import BerthmasterError, code_of, is_final
from berthmaster.security_groups.model.rules import GroupReference, PrefixListReference, Rule
from berthmaster.security_groups.model.tags import PLACE, PLACE_NAME, TAG
from berthmaster.security_groups.plan.quarantine import free_place

if TYPE_CHECKING:
    from datetime import date

    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import ManagedPrefixListTypeDef, SecurityGroupTypeDef

_OUR_NAME = re.compile(rf"{PLACE_NAME}(-\d+)?", re.ASCII)
DESCRIPTION = "Berthmaster: named by rules in quarantine. Attach it to nothing, and give it no rules."
TAGS: Any = [{"Key": TAG, "Value": PLACE}]
_READY = frozenset({"create-complete", "modify-complete", "restore-complete"})
_ON_THE_WAY = frozenset({"create-in-progress", "modify-in-progress", "restore-in-progress"})


class NotInPlace(BerthmasterError):
    """A rule cannot be quarantined in place; says why, as a sentence without a full stop."""


class NotReady(BerthmasterError):
    """What was made for a rule in quarantine cannot be named yet; it takes seconds."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What a prefix list counts for in a group: as many rules of a family as it may have entries."""

    family: str
    entries: int

    @property
    def name(self) -> str:
        """Of our lists of this weight."""
        return f"{PLACE_NAME}-{self.family.lower()}-{self.entries}"


class QuarantinePlaces:
    """Finds and makes them. account: the one whose groups they are."""

    def __init__(self, ec2: "EC2Client") -> None:
        self._ec2 = ec2

    def empty_groups(self, vpc: str = "") -> list[str]:
        """The ids of our groups, of one VPC or of all, in the order in which they are used."""
        of_vpc: list[Any] = [{"Name": "vpc-id", "Values": [vpc]}] if vpc else []
        tagged = self._groups([{"Name": f"tag:{TAG}", "Values": [PLACE]}, *of_vpc])
        return [one["GroupId"] for one in tagged if _OUR_NAME.fullmatch(one["GroupName"])]

    def for_reference(self, rule: Rule, others: Iterable[Rule], vpc: str, carried: set[str]) -> GroupReference:
        """One of our groups in a VPC that no other rule of the same traffic names; it is made if there is none.

        carried: our groups that an interface has: these let somebody in. NotInPlace if no more can be made.
        """
        places = [GroupReference(one) for one in self.empty_groups(vpc) if one not in carried]
        if found := free_place(rule, others, places):
            self._empty(found.group)
            return found
        return GroupReference(self._make_group(vpc))

    def for_prefix_list(self, rule: Rule, others: Iterable[Rule], today: "date") -> PrefixListReference:
        """An empty list of the weight of a rule's list that no other rule of the same traffic names.

        With a smaller one, quota would be free that others could use, and the rule would not fit in again. It is made
        if there is none. NotInPlace if the weight is not known, or none can be made; NotReady if it was made just now.
        """
        weight = self._weight(rule)
        found = sorted(self._lists(weight), key=lambda one: one["PrefixListId"])
        places = [PrefixListReference(one["PrefixListId"]) for one in found if one["State"] in _READY]
        if place := free_place(rule, others, places):
            return place
        if not any(one["State"] in _ON_THE_WAY for one in found):
            self._make_list(weight, len(found), today)
        raise NotReady(f"an empty prefix list for {weight.entries} entries is being made")

    # Groups

    def _groups(self, filters: list[Any]) -> "list[SecurityGroupTypeDef]":
        pages = self._ec2.get_paginator("describe_security_groups").paginate(Filters=filters)
        return sorted((one for page in pages for one in page["SecurityGroups"]), key=lambda one: one["GroupId"])

    def _make_group(self, vpc: str) -> str:
        """The first of our names that the VPC has no group of; a group of such a name without our tag is not ours."""
        taken = {one["GroupName"] for one in self._groups([{"Name": "vpc-id", "Values": [vpc]}])}
        names = chain([PLACE_NAME], (f"{PLACE_NAME}-{number}" for number in count(2)))
        name = next(name for name in names if name not in taken)
        try:
            made = self._ec2.create_security_group(
                GroupName=name,
                Description=DESCRIPTION,
                VpcId=vpc,
                TagSpecifications=[{"ResourceType": "security-group", "Tags": TAGS}],
            )
        except ClientError as error:
            if code_of(error) == "InvalidGroup.Duplicate":
                raise NotReady(f"another invocation makes the group {name}") from error
            raise _refused(error) from error
        self._empty(made["GroupId"])
        return made["GroupId"]

    def _empty(self, group: str) -> None:
        """Take out the rules of one of our groups: EC2 gives a new one rules that let out everything."""
        pages = self._ec2.get_paginator("describe_security_group_rules").paginate(
            Filters=[{"Name": "group-id", "Values": [group]}]
        )
        rules = [one for page in pages for one in page["SecurityGroupRules"]]
        for is_egress, revoke in (
            (True, self._ec2.revoke_security_group_egress),
            (False, self._ec2.revoke_security_group_ingress),
        ):
            if ids := [one["SecurityGroupRuleId"] for one in rules if one["IsEgress"] is is_egress]:
                try:
                    revoke(GroupId=group, SecurityGroupRuleIds=ids)
                except ClientError as error:
                    # Another invocation does the same.
                    if code_of(error) != "InvalidSecurityGroupRuleId.NotFound":
                        raise

    # Prefix lists

    def _weight(self, rule: Rule) -> Weight:
        if not isinstance(rule.peer, PrefixListReference):
            raise TypeError(rule.peer)
        named = rule.peer.prefix_list
        found = self._ec2.describe_managed_prefix_lists(Filters=[{"Name": "prefix-list-id", "Values": [named]}])[
            "PrefixLists"
        ]
        if not found:
            raise NotInPlace(f"{named} is not described, so what it counts for is not known")
        if "MaxEntries" not in found[0]:
            raise NotInPlace(f"{named} is a prefix list of AWS, and EC2 does not say what it counts for")
        return Weight(found[0]["AddressFamily"], found[0]["MaxEntries"])

    def _lists(self, weight: Weight) -> "list[ManagedPrefixListTypeDef]":
        """Our lists of a weight that have no entries."""
        pages = self._ec2.get_paginator("describe_managed_prefix_lists").paginate(
            Filters=[{"Name": "prefix-list-name", "Values": [weight.name]}]
        )
        found = [one for page in pages for one in page["PrefixLists"] if TAGS[0] in one.get("Tags", [])]
        fitting = [
            one
            for one in found
            if (one["AddressFamily"], one["MaxEntries"]) == (weight.family, weight.entries)
            and one["State"] in _READY | _ON_THE_WAY
        ]
        return [one for one in fitting if not self._entries(one["PrefixListId"])]

    def _entries(self, prefix_list: str) -> bool:
        return bool(self._ec2.get_managed_prefix_list_entries(PrefixListId=prefix_list).get("Entries"))

    def _make_list(self, weight: Weight, number: int, today: "date") -> None:
        """Make one more; two invocations at once make the same one."""
        try:
            self._ec2.create_managed_prefix_list(
                PrefixListName=weight.name,
                MaxEntries=weight.entries,
                AddressFamily=weight.family,
                TagSpecifications=[{"ResourceType": "prefix-list", "Tags": TAGS}],
                ClientToken=f"{weight.name}-{number}-{today}",
            )
        except ClientError as error:
            raise _refused(error) from error


def _refused(error: ClientError) -> Exception:
    """NotInPlace for what EC2 refuses for good, such as one more group than the quota allows; else the error."""
    if not is_final(error):
        return error
    return NotInPlace(f"EC2 refuses to make an empty one: {error.response.get('Error', {}).get('Message', '')}")
