"""Every write to rules of security groups: who made it, and what the rule was before and after."""

from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from dataclasses import dataclass, field
from typing import Any

from berthmaster.security_groups.model.tags import MANAGED, PLACE, TAG
from simulator.account import Account, Params
from simulator.aws.ec2.lookup import tags_of
from simulator.aws.ec2.security_group_rules import description_of, find_group, key_of, rules_of
from simulator.calls import OPERATOR, WORKLOAD, caller, is_function
from simulator.cloud import Cloud
from simulator.errors import AwsError

OPERATIONS = (
    *("AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "ModifySecurityGroupRules"),
    *("RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress"),
    *("UpdateSecurityGroupRuleDescriptionsIngress", "UpdateSecurityGroupRuleDescriptionsEgress"),
)
PEOPLE = {OPERATOR, WORKLOAD}

type Terms = tuple[Any, ...]


@dataclass(frozen=True)
class RuleState:
    """A rule at a moment. terms: what it allows. kept: a copy of moto's rule."""

    id: str
    group: str
    terms: Terms
    description: str
    tags: Mapping[str, str]
    kept: Any = field(compare=False)

    @property
    def is_egress(self) -> bool:
        """Whether it is for what goes out."""
        return bool(self.kept.is_egress)

    def __str__(self) -> str:
        protocol, first, last, peer = self.terms[2:]
        return f"{self.id} ({'egress' if self.is_egress else 'ingress'} {protocol} {first}-{last} {peer})"


@dataclass(frozen=True)
class Write:
    """What a call has done to one rule. by: a function's logical id, or who else."""

    at: float
    by: str
    operation: str
    before: RuleState | None
    after: RuleState | None

    @property
    def is_ours(self) -> bool:
        """Whether a function made it."""
        return self.by not in PEOPLE

    @property
    def changes_terms(self) -> bool:
        """Whether the rule allows something else now."""
        return self.before is None or self.after is None or self.before.terms != self.after.terms

    @property
    def rule(self) -> RuleState:
        """The rule, as it was, or as it was made."""
        found = self.before or self.after
        assert found
        return found

    def __str__(self) -> str:
        return f"{self.operation} of {self.rule} by {self.by} at {self.at:.0f}"


class Witness:
    """Sees all writes of an account from now on, and refuses those that the functions' roles do not grant."""

    def __init__(self, cloud: Cloud) -> None:
        self.writes: list[Write] = []
        self.watchers: list[Callable[[Write], None]] = []
        self._cloud = cloud
        for operation in OPERATIONS:
            self._see(operation)

    def state(self, group: str) -> dict[str, RuleState]:
        """The rules of a group now, by id."""
        return _state(self._cloud, find_group(self._cloud, {"GroupId": group}))

    def _see(self, operation: str) -> None:
        handler = self._cloud.handlers[f"ec2:{operation}"]

        def seen(account: Account, params: Params) -> dict[str, Any] | None:
            group = find_group(account, params)
            if is_function() and tags_of(account, group.id).get(TAG) not in (MANAGED, PLACE):
                message = "You are not authorized to perform this operation."
                raise AwsError("UnauthorizedOperation", message, status=403)
            before = _state(account, group)
            answer = handler(account, params)
            if tags_of(account, group.id).get(TAG) == PLACE:
                return answer
            after = _state(account, group)
            for rule in [*before, *(after.keys() - before.keys())]:
                if before.get(rule) != after.get(rule):
                    self._note(Write(account.clock.timestamp(), caller(), operation, before.get(rule), after.get(rule)))
            return answer

        self._cloud.handlers[f"ec2:{operation}"] = seen

    def _note(self, write: Write) -> None:
        self.writes.append(write)
        for watcher in self.watchers:
            watcher(write)


def _state(account: Account, group: Any) -> dict[str, RuleState]:
    return {rule.id: _rule(account, group, rule) for rule in rules_of(group)}


def _rule(account: Account, group: Any, rule: Any) -> RuleState:
    return RuleState(
        id=rule.id,
        group=group.id,
        terms=(group.id, rule.is_egress, *key_of(rule)),
        description=description_of(rule),
        tags=dict(tags_of(account, rule.id)),
        kept=_copied(rule),
    )


def _copied(rule: Any) -> Any:
    """A copy that changes no more: rules are changed in place."""
    kept = copy(rule)
    for name in ("ip_range", "source_group", "prefix_list_entry"):
        setattr(kept, name, deepcopy(getattr(rule, name, {})))
    return kept
