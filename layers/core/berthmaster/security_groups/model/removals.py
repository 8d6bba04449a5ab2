"""The removal of a rule, in steps that can be taken back."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from berthmaster.proposals import Proposed
from berthmaster.security_groups.model.rules import Network, Peer, Rule

STALE_AFTER = timedelta(minutes=15)
"""A rule is not quarantined on evidence that is older: the next run decides it afresh."""


class RemovalState(StrEnum):
    """How far a removal has come. Those called intents are written before EC2 is called."""

    ANNOUNCED = "announced"
    PROPOSED = "proposed"
    APPROVED = "approved"
    """Intent: the rule is to be quarantined; revoked, if it cannot be changed in place."""
    QUARANTINED = "quarantined"
    REVOKING = "revoking"
    """Intent: the rule is to be revoked."""
    REVOKED = "revoked"
    CLOSED = "closed"
    RESTORING = "restoring"
    """Intent: the rule is to be as it was announced."""
    RESTORED = "restored"
    WITHDRAWN = "withdrawn"

    @property
    def is_intent(self) -> bool:
        """Whether EC2 is to be called, or may have been."""
        return self in _INTENTS

    @property
    def is_open(self) -> bool:
        """Whether there is something left to be done."""
        return self not in _ENDS

    @property
    def is_watched(self) -> bool:
        """Whether the rule may be missing already, so that a rejected record may have been its traffic."""
        return self in _WATCHED


_INTENTS = frozenset({RemovalState.APPROVED, RemovalState.REVOKING, RemovalState.RESTORING})
_ENDS = frozenset({RemovalState.CLOSED, RemovalState.RESTORED, RemovalState.WITHDRAWN})
_WATCHED = frozenset({RemovalState.APPROVED, RemovalState.QUARANTINED, RemovalState.REVOKING, RemovalState.REVOKED})


class Ground(StrEnum):
    """Why a rule may go."""

    UNUSED = "unused"
    """Nothing in a complete window could have been allowed by it."""
    COVERED = "covered"
    """Other rules of its group that stay allow everything that it allows."""


class Origin(StrEnum):
    """Who makes the rules of a group."""

    CLOUDFORMATION = "cloudformation"
    IAC = "iac"
    """Other infrastructure as code."""
    PEOPLE = "people"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A rule that may go, as the evidence of a window says.

    since, until: of the window, in seconds since the epoch. covered_by: ids of the rules that allow all of it, of
    Ground.COVERED. earlier_peers: with whom conversations were held under it, in all stored history.
    """

    rule: Rule
    vpc: str
    ground: Ground
    why: str
    since: float
    until: float
    covered_by: tuple[str, ...] = ()
    earlier_peers: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """One rule's removal: a ledger item.

    candidate: as it was announced; its rule is what a restore makes again, with the description and the tags of when it
    was read last. owner: from the tags of its group. due_at: when the next step may be taken. intended_at,
    revoke_intended_at: when each change was intended, for the caps. inert: the peer that it has in quarantine.
    is_direct: it cannot be changed in place, so it is revoked without quarantine. rule_id: of the rule as it is there
    now; another one than the candidate's once it was revoked and restored. note: why it is in its state, as a sentence
    without a full stop. problem: why the restore that is intended has failed so far, likewise. by: the operator who
    decided last. unpublished: the notice of its state may not be published. has_ended: whether the ledger has it among
    those that have ended.
    """

    candidate: Candidate
    origin: Origin
    state: RemovalState
    announced_at: datetime
    changed_at: datetime
    due_at: datetime
    owner: str = ""
    proposal: str = ""
    intended_at: datetime | None = None
    inert: Peer | None = None
    is_direct: bool = False
    quarantined_at: datetime | None = None
    revoke_intended_at: datetime | None = None
    revoked_at: datetime | None = None
    rule_id: str = ""
    note: str = ""
    problem: str = ""
    by: str = ""
    unpublished: bool = False
    version: int = 0
    has_ended: bool = False

    @property
    def rule(self) -> Rule:
        """As it was announced."""
        return self.candidate.rule

    @property
    def sort_key(self) -> str:
        """Of its item: those of a group are found by `<group>#`."""
        return f"{self.rule.group}#{self.rule.id}"

    def moved(self, state: RemovalState, now: datetime, **changes: Any) -> "Removal":
        """In another state, whose notice is not published yet; of an intent there is none."""
        return replace(self, state=state, changed_at=now, unpublished=not state.is_intent, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAlone:
    """What a rule allows that is not announced again. key: `content_key`. until: None for good."""

    group: str
    key: str
    why: str
    since: datetime
    until: datetime | None = None
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Of its item."""
        return f"{self.group}#{self.key}"


class ProposalKind(StrEnum):
    """What is proposed to operators."""

    REMOVE = "remove"
    """The announced rules of one group."""
    RESTORE = "restore"
    """One rule, since something was rejected that it would have allowed, from a peer that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal(Proposed):
    """One ledger item. rules: ids, in order; the fingerprint is of these with their terms."""

    kind: ProposalKind
    group: str
    rules: tuple[str, ...]
    why: str = ""
    unpublished: bool = False
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalPolicy:
    """What users allow.

    notice: from the announcement to the first change. quarantine: for how long a change is watched before the next
    step. per_run, per_group, per_day: rules that may be changed in a run, of a group in a day, and in all in a day.
    restores_per_group: that happen in a day without an operator. iac_tags: keys of tags, or keys with values, of groups
    that infrastructure as code makes. owner_tags: keys of tags that name who is to be notified, the first one counts.
    """

    notice: timedelta = timedelta(days=7)
    quarantine: timedelta = timedelta(days=7)
    per_run: int = 20
    per_group: int = 5
    per_day: int = 50
    restores_per_group: int = 20
    iac_tags: tuple[tuple[str, str], ...] = ()
    owner_tags: tuple[str, ...] = ()
