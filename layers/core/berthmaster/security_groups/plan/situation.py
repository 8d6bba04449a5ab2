"""What a run of removals decides on, and what it decides."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from berthmaster.modes import Mode
from berthmaster.security_groups.model.evidence import RuleEvidence
from berthmaster.security_groups.model.removals import Candidate, LeftAlone, Origin, Proposal, Removal, RemovalPolicy
from berthmaster.security_groups.model.rules import Group, Rule

type Hold = Callable[[Candidate, frozenset[str]], str]
"""Why a rule is never removed automatically if these count as gone; empty if it may be."""
type Needed = Callable[[frozenset[str]], Collection[str]]
"""If all of these rules go: those of them that conversations of the window need."""
type Unwatched = Callable[[Removal], str]
"""Why flow logs may not show what was rejected since a rule was changed; empty if they do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All of one moment.

    window: how long rules are observed. paused, frozen: why nothing is begun or changed, empty if it may be.
    candidates: in the order in which they are taken, by the ids of their rules, as are verdicts, rules and origins.
    rules, groups: that are there now. proposals: by their ids.
    """

    now: datetime
    mode: Mode
    policy: RemovalPolicy
    window: timedelta
    paused: str = ""
    frozen: str = ""
    candidates: Mapping[str, Candidate] = field(default_factory=dict)
    verdicts: Mapping[str, RuleEvidence] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)
    removals: tuple[Removal, ...] = ()
    left_alone: tuple[LeftAlone, ...] = ()
    proposals: Mapping[str, Proposal] = field(default_factory=dict)
    hold: Hold
    needed: Needed
    unwatched: Unwatched

    @property
    def may_begin(self) -> bool:
        """Whether the mode lets anything be done to rules."""
        return self.mode in {Mode.APPROVE, Mode.ENFORCE}

    def origin(self, rule: str) -> Origin:
        """Who makes a rule."""
        return self.origins.get(rule, Origin.UNKNOWN)

    def owner(self, group: str) -> str:
        """Whom the tags of a group name; empty if they name nobody."""
        tags = dict(self.groups[group].tags) if group in self.groups else {}
        return next((tags[key] for key in self.policy.owner_tags if tags.get(key)), "")


@dataclass(frozen=True, slots=True)
class Report:
    """A rule that would be announced if the mode let it. obstacle: what stands in the way, empty if nothing does."""

    candidate: Candidate
    origin: Origin
    obstacle: str
    reason: str


@dataclass(frozen=True, slots=True)
class Patch:
    """A rule that others make by code: what they are to change."""

    candidate: Candidate
    origin: Origin
    reason: str


@dataclass(frozen=True, slots=True)
class Move:
    """A removal as it is to be saved."""

    removal: Removal
    reason: str


@dataclass(frozen=True, slots=True)
class Propose:
    """A proposal, and its removals as they are to be saved."""

    proposal: Proposal
    removals: tuple[Removal, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Supersede:
    """A proposal that does not stand any more."""

    proposal: Proposal
    reason: str


@dataclass(frozen=True, slots=True)
class LeaveAlone:
    """What is not announced again. returned: a removal that goes on although its rule was made again, as `rule_id`."""

    left: LeftAlone
    reason: str
    returned: Removal | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A rule with which nothing is done for now. removal: None if it was not announced."""

    rule: Rule
    removal: Removal | None
    reason: str


type Step = Report | Patch | Move | Propose | Supersede | LeaveAlone | Wait


@dataclass(frozen=True, slots=True)
class RemovalPlan:
    """The steps, in the order in which they are taken."""

    steps: tuple[Step, ...] = ()

    def of[Kind](self, kind: type[Kind]) -> list[Kind]:
        """Those of one kind."""
        return [one for one in self.steps if isinstance(one, kind)]
