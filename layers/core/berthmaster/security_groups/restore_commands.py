"""What other functions have security_groups_change do: restore rules, or propose to.

Either may be sent several times about the same rule: whoever receives it asks the ledger first.
"""

from typing import Annotated

from msgspec import Meta, Struct

from berthmaster.security_groups.model.removals import Proposal

RESTORE_RULES = "Restore Rules"
"""The detail type of the command by which rules are restored."""
PROPOSE_RESTORE = "Propose Restore"
"""That of the command by which people are asked whether a rule is to be restored."""
NO_PORT = -1
AUTOMATIC, REQUESTED = "automatic", "requested"
"""Restores that count for the caps, and those that people have asked for."""

GroupId = Annotated[str, Meta(pattern=r"^sg-[0-9a-f]{8,17}$")]
RuleId = Annotated[str, Meta(pattern=r"^sgr-[0-9a-f]{8,17}$")]
LONGEST_WHY = 1000
Why = Annotated[str, Meta(min_length=1, max_length=LONGEST_WHY)]


class RuleKey(Struct, frozen=True):
    """A removal, by what it is found by in the ledger: the rule's id as it was announced."""

    group: GroupId
    rule: RuleId


class RejectedTraffic(Struct, frozen=True, kw_only=True):
    """A record of a flow log. direction: ingress or egress. port: NO_PORT if the protocol has none.

    at: when the record ended, in seconds since the epoch. file: as s3://bucket/key.
    """

    interface: str
    direction: str
    protocol: int
    port: int
    peer: str
    at: float
    file: str = ""


class RestoreRules(Struct, frozen=True, kw_only=True):
    """The detail of RESTORE_RULES. why: a sentence without a full stop. by: the operator, if one has asked for it."""

    rules: Annotated[tuple[RuleKey, ...], Meta(min_length=1)]
    why: Why
    kind: str = AUTOMATIC
    by: str = ""
    rejected: RejectedTraffic | None = None


class ProposeRestore(Struct, frozen=True, kw_only=True):
    """The detail of PROPOSE_RESTORE: one rule, and why, as a sentence without a full stop."""

    group: GroupId
    rule: RuleId
    why: Why
    rejected: RejectedTraffic | None = None


def approved_restore(proposal: Proposal) -> dict[str, object]:
    """The detail of RESTORE_RULES for a proposal that an operator has approved."""
    by = proposal.decider
    return {
        "rules": [{"group": proposal.group, "rule": one} for one in proposal.rules],
        "why": f"{by} has approved it: {proposal.why}"[:LONGEST_WHY],
        "kind": REQUESTED,
        "by": proposal.decided_by,
    }
