"""What Berthmaster has taken away of rules, and when it was given back, as the account shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from math import inf
from typing import TYPE_CHECKING

from tests.simulation.security_groups.changes.witness import RuleState, Terms, Witness, Write
from tests.simulation.security_groups.company import LOOKS

if TYPE_CHECKING:
    from collections.abc import Callable


class Deed(Enum):
    """What a function has done to a rule that people made."""

    TAKE = auto()
    REVOKE = auto()
    """What was in quarantine."""
    GIVE_BACK = auto()


@dataclass(eq=False)
class Taken:
    """A rule that does not allow what it did.

    original: as it was when it was taken; its description and tags as they were last. now: as it is, None when it is
    revoked. revoked_at, back_at, closed_at: inf if it is not. is_theirs: people gave it back, or did something else
    with it. back: what a restore made of it.
    """

    original: RuleState
    since: float
    now: RuleState | None
    revoked_at: float = inf
    back_at: float = inf
    is_theirs: bool = False
    back: RuleState | None = None
    closed_at: float = inf

    @property
    def is_open(self) -> bool:
        """Whether it is still missing because of us."""
        return self.back_at == inf

    def __str__(self) -> str:
        return f"{self.original}, taken at {self.since:.0f}"


class TakenRules:
    """Follows them.

    all: oldest first. broken: writes that must not be, in sentences. watchers: get each deed. What was left in
    quarantine of a rule that people made again may go.
    """

    def __init__(self, witness: Witness) -> None:
        self.all: list[Taken] = []
        self.broken: list[str] = []
        self.watchers: list[Callable[[Deed, Write, Taken], None]] = []
        self._edited: dict[str, float] = {}
        self._leftovers: dict[str, Terms] = {}
        self._undone: dict[str, tuple[Terms, float, float]] = {}
        """By rule: what it was before the last edit, when that was, and since when it had been so."""
        witness.watchers.append(self._see)

    @property
    def open(self) -> list[Taken]:
        """Those that are missing now."""
        return [one for one in self.all if one.is_open]

    def of(self, rule: str) -> Taken | None:
        """The last one of a rule, by the id that it had or has."""
        return next((one for one in reversed(self.all) if rule in _ids(one)), None)

    def edited_at(self, rule: str) -> float:
        """When people made a rule what it allows, or made it; -inf if they never did."""
        return self._edited.get(rule, -inf)

    def _see(self, write: Write) -> None:
        if write.is_ours:
            self._ours(write)
        else:
            self._theirs(write)

    def _ours(self, write: Write) -> None:
        before, after = write.before, write.after
        if not write.changes_terms:
            self.broken.append(f"{write} changes nothing that a rule allows")
        elif before is None:
            assert after
            self._given_back(write, after)
        elif (taken := self._open(before.id)) is None:
            if after is None and self._leftovers.get(before.id) == before.terms:
                return
            self._take(write, before)
        elif taken.now is None or taken.now.terms != before.terms:
            self.broken.append(f"{write} overwrites what people made of it")
        elif after is None:
            taken.now, taken.revoked_at = None, write.at
            taken.original = replace(taken.original, tags=before.tags)
            self._report(Deed.REVOKE, write, taken)
        elif after.terms == taken.original.terms:
            self._given_back(write, after)
        else:
            taken.now = after

    def _take(self, write: Write, before: RuleState) -> None:
        taken = Taken(before, write.at, write.after, revoked_at=inf if write.after else write.at)
        self.all.append(taken)
        if write.after:
            self._check_description(write, write.after, taken)
        self._report(Deed.TAKE, write, taken)

    def _given_back(self, write: Write, after: RuleState) -> None:
        found = [one for one in self.open if one.original.terms == after.terms]
        if not found:
            self.broken.append(f"{write} restores what was not taken")
        for taken in found:
            taken.back_at, taken.back, taken.now = write.at, after, after
            tags = write.before.tags if write.before else _without_those_of_aws(taken.original.tags)
            if dict(after.tags) != tags:
                self.broken.append(f"{write} has the tags {after.tags}, not {tags}")
            self._check_description(write, after, taken)
            self._report(Deed.GIVE_BACK, write, taken)

    def _check_description(self, write: Write, after: RuleState, taken: Taken) -> None:
        if after.description != taken.original.description:
            wanted = taken.original.description
            self.broken.append(f"{write} has the description {after.description!r}, not {wanted!r}")

    def _report(self, deed: Deed, write: Write, taken: Taken) -> None:
        for watcher in self.watchers:
            watcher(deed, write, taken)

    def _theirs(self, write: Write) -> None:
        before, after = write.before, write.after
        if write.changes_terms and after:
            self._edited[after.id] = self._since_when(write, after)
        if before and (taken := self._open(before.id)):
            if write.changes_terms:
                taken.back_at, taken.is_theirs, taken.now = write.at, True, after
            elif after:
                taken.now = after
                taken.original = replace(taken.original, description=after.description)
        if after and write.changes_terms:
            self._returned(write.at, after.terms)

    def _since_when(self, write: Write, after: RuleState) -> float:
        """Since when it is what it is: what was undone before anybody has looked does not count."""
        terms, at, since = self._undone.get(after.id, ((), -inf, -inf))
        if write.before:
            self._undone[after.id] = write.before.terms, write.at, self.edited_at(after.id)
        return since if after.terms == terms and write.at < at + LOOKS else write.at

    def _returned(self, at: float, terms: Terms) -> None:
        for taken in self.open:
            if taken.original.terms == terms:
                taken.back_at, taken.is_theirs = at, True
                if taken.now:
                    self._leftovers[taken.now.id] = taken.now.terms

    def _open(self, rule: str) -> Taken | None:
        return next((one for one in self.open if one.now and one.now.id == rule), None)


def _ids(taken: Taken) -> set[str]:
    return {taken.original.id} | ({taken.back.id} if taken.back else set())


def _without_those_of_aws(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}
