"""Observations → who had what, and when.

Between two polls that differ, it is not known when the change took place: the old state may have held until the second
poll ended, and the new one since the first began. What events show in between narrows that down.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, groupby, pairwise
from typing import Any, NamedTuple

from berthmaster.security_groups.model.observations import Kind, Observation, Subject
from berthmaster.security_groups.model.rules import Group, Network, PrefixList, Rule
from berthmaster.security_groups.model.topology import Address, FlowLog, Interface, Span, Topology, Vpc

LONGEST_GAP = 900.0
"""Seconds between two polls after which what is unchanged may have been different in between."""
FOREVER = float("inf")

type Observations = Mapping[str, Sequence[Observation]]
"""By what they are recorded as, in order of time."""


class Fact(NamedTuple):
    """A subject was like that, or not there, at some moment between `begun` and `ended`.

    part: of the record; polls are missing between two parts.
    """

    begun: float
    ended: float
    part: int
    value: Subject | None


def changes_between(before: Mapping[str, Subject], after: Observation) -> tuple[dict[str, Subject], frozenset[str]]:
    """What a survey saw that was not like that before, and the ids of what is gone."""
    seen = {key: value for key, value in after.seen.items() if before.get(key) != value}
    return seen, frozenset(before.keys() - after.seen.keys())


def state_at(recorded: Observations, newest: str) -> dict[str, Subject]:
    """Everything there was at the survey that is recorded as `newest`."""
    state: dict[str, Subject] = {}
    for name in _chain(recorded, newest):
        survey = recorded[name][0]
        gone = state.keys() - survey.seen.keys() if survey.kind is Kind.SURVEY else survey.gone
        for key in gone:
            state.pop(key, None)
        state.update(survey.seen)
    return state


def topology_of(recorded: Observations) -> Topology:
    """The topology over time; nothing is known before the first survey, and after the last one nothing is sure."""
    chains = _chains(recorded)
    polls = _Polls([recorded[name][0] for name in chains])
    # A survey beside the others, by an invocation that overlapped with another, still saw what it names.
    beside = [one for name in recorded.keys() - set(chains) for one in recorded[name]]
    sighted = _sightings(beside, polls)
    by_kind: dict[type[Subject], dict[str, tuple[Span[Any], ...]]] = defaultdict(dict)
    for key in sorted(polls.ids | sighted.keys()):
        spans = (polls.only_span(key),) if key not in sighted else ()
        if found := tuple(one for one in spans if one) or tuple(_spans(polls.facts(key, sighted.get(key, ())))):
            by_kind[type(found[0].value)][key] = found
    return Topology(
        interfaces=_without_impossible(by_kind[Interface]),
        rules=by_kind[Rule],
        prefix_lists=by_kind[PrefixList],
        groups={key: found[-1].value for key, found in by_kind[Group].items()},
        deleted_groups=frozenset(key for key, found in by_kind[Group].items() if found[-1].until < FOREVER),
        vpcs={key: _all_blocks(found) for key, found in by_kind[Vpc].items()},
        flow_logs={key: _log(found) for key, found in by_kind[FlowLog].items()},
    )


def _chains(recorded: Observations) -> list[str]:
    """The surveys in order of time, so that each is relative to the one before, or complete.

    A chain ends where no survey was recorded for long, or where one is lost.
    """
    surveys = {name: found[0].begun for name, found in recorded.items() if found[0].kind is not Kind.SIGHTING}
    names: list[str] = []
    while surveys:
        newest = max(surveys, key=lambda name: (surveys[name], name))
        if chain := _chain(recorded, newest):
            names = chain + names
            first = surveys[chain[0]]
            surveys = {name: begun for name, begun in surveys.items() if begun < first}
        else:
            for name in _back(recorded, newest):
                surveys.pop(name, None)
    return names


def _chain(recorded: Observations, newest: str) -> list[str]:
    """The surveys that lead to the newest one, each relative to the one before; the first one is complete."""
    names = list(_back(recorded, newest))[::-1]
    complete = (index for index, one in enumerate(names) if recorded[one][0].kind is Kind.SURVEY)
    return names[next(complete, len(names)) :]


def _back(recorded: Observations, newest: str) -> Iterator[str]:
    """A survey and those before it, as far as they are recorded."""
    name = newest
    while name in recorded:
        yield name
        name = recorded[name][0].previous


class _Polls:
    """The surveys in order, and how each subject changed from one to the next."""

    def __init__(self, surveys: Sequence[Observation]) -> None:
        self.times = [(one.begun, one.ended) for one in surveys]
        self._begun = [one.begun for one in surveys]
        gaps = [after.begun - before.ended > LONGEST_GAP for before, after in pairwise(surveys)]
        self._parts = list(accumulate(gaps, initial=0))
        self._edges = {index + near for index, is_gap in enumerate(gaps) if is_gap for near in (0, 1)}
        self._turns: dict[str, list[tuple[int, Subject | None]]] = defaultdict(list)
        state: dict[str, Subject] = {}
        for index, survey in enumerate(surveys):
            if survey.kind is Kind.SURVEY:
                seen, gone = changes_between(state, survey)
            else:
                seen, gone = dict(survey.seen), survey.gone
            for key, value in seen.items():
                self._turns[key].append((index, value))
                state[key] = value
            for key in gone & state.keys():
                self._turns[key].append((index, None))
                del state[key]

    @property
    def ids(self) -> set[str]:
        """Whatever a survey saw."""
        return set(self._turns)

    @property
    def rules_by_group(self) -> dict[str, set[str]]:
        """The ids of all rules that a survey saw."""
        found = defaultdict(set)
        for key, turns in self._turns.items():
            for _, value in turns:
                if isinstance(value, Rule):
                    found[value.group].add(key)
        return found

    def part_at(self, time: float) -> int:
        """The part of the record in which a moment is."""
        index = bisect_right(self._begun, time) - 1
        return self._parts[index] if index >= 0 else 0

    def only_span(self, key: str) -> Span[Subject] | None:
        """The span of a subject that has been the same since it was seen first, as most are; None for others."""
        turns = self._turns[key]
        index, value = turns[0]
        if len(turns) > 1 or value is None or self._edges:
            return None
        since = self._begun[max(index - 1, 0)]
        return Span(value, since=since, until=FOREVER, surely=(self.times[index][1], self._begun[-1]))

    def facts(self, key: str, sightings: Sequence[Fact]) -> list[Fact]:
        """All that is known of a subject, in order of time."""
        turns = self._turns.get(key, [])
        indexes: set[int] = set()
        for index, _ in turns:
            indexes |= {index, index - 1}
        if turns:
            indexes.add(len(self.times) - 1)
            # At both ends of a gap, so that it is not taken for a time without changes.
            indexes |= self._edges
        for one in sightings:
            after = bisect_right(self._begun, one.begun)
            indexes |= {after - 1, after}
        polled = [
            Fact(*self.times[index], self._parts[index], _value_at(turns, index))
            for index in sorted(indexes)
            if 0 <= index < len(self.times)
        ]
        return sorted([*polled, *sightings], key=lambda fact: fact[:3]) if sightings else polled


def _value_at(turns: Sequence[tuple[int, Subject | None]], index: int) -> Subject | None:
    place = bisect_right(turns, index, key=lambda turn: turn[0])
    return turns[place - 1][1] if place else None


def _sightings(observations: Iterable[Observation], polls: _Polls) -> dict[str, list[Fact]]:
    """What is known of single subjects, by their ids."""
    found: dict[str, list[Fact]] = defaultdict(list)
    by_group = polls.rules_by_group
    ordered = sorted(observations, key=lambda one: (one.begun, one.ended))
    for one in ordered:
        for key, value in one.seen.items():
            if isinstance(value, Rule):
                by_group.setdefault(value.group, set()).add(key)
    for one in ordered:
        part = polls.part_at(one.begun)
        others = {rule for group in one.whole for rule in by_group.get(group, ())}
        for key in (one.gone | others) - one.seen.keys():
            found[key].append(Fact(one.begun, one.ended, part, None))
        for key, value in one.seen.items():
            found[key].append(Fact(one.begun, one.ended, part, value))
    return found


def _spans(facts: Sequence[Fact]) -> Iterator[Span[Subject]]:
    """Facts in order of time → spans; equal facts that follow each other are one."""
    end = 0
    for _, run in groupby(facts, key=lambda fact: (fact.part, fact.value)):
        begin, end = end, end + len(list(run))
        first, last = facts[begin], facts[end - 1]
        if first.value is None:
            continue
        # Of facts that overlap, either may be the earlier one.
        before = (fact.begun for fact in reversed(facts[:begin]) if fact.ended <= first.begun)
        after = (fact.ended for fact in facts[end:] if fact.begun >= last.ended)
        yield Span(
            first.value,
            since=next(before, facts[0].begun),
            until=next(after, FOREVER),
            surely=(first.ended, last.begun),
        )


def _all_blocks(spans: Sequence[Span[Vpc]]) -> Vpc:
    """A VPC with every block that it had at any time."""
    blocks: dict[Network, None] = dict.fromkeys(block for span in spans for block in span.value.cidrs)
    return replace(spans[-1].value, cidrs=tuple(blocks))


def _log(spans: Sequence[Span[FlowLog]]) -> FlowLog:
    """A flow log as it was last; one that was deleted is not active."""
    is_gone = spans[-1].until < FOREVER
    return replace(spans[-1].value, is_active=False) if is_gone else spans[-1].value


def _without_impossible(
    interfaces: Mapping[str, tuple[Span[Interface], ...]],
) -> dict[str, tuple[Span[Interface], ...]]:
    """Within a VPC, no two interfaces have an address at the same time: while one surely has it, no other can."""
    places: dict[tuple[str, Address], list[tuple[str, int]]] = defaultdict(list)
    for key, spans in interfaces.items():
        for index, span in enumerate(spans):
            for address in span.value.addresses:
                places[span.value.vpc, address].append((key, index))
    narrowed: dict[str, list[Span[Interface]]] = {}
    for holders in places.values():
        if len(holders) > 1:
            for key, _ in holders:
                narrowed.setdefault(key, list(interfaces[key]))
            one_by_one = _one_by_one([narrowed[key][index] for key, index in holders])
            for (key, index), span in zip(holders, one_by_one, strict=True):
                narrowed[key][index] = span
    return {**interfaces, **{key: tuple(spans) for key, spans in narrowed.items()}}


def _one_by_one(spans: Sequence[Span[Interface]]) -> Iterator[Span[Interface]]:
    """Spans that exclude each other: each begins when those before it surely held last, and ends likewise."""
    seen = [_seen(span) for span in spans]
    ends = sorted((last, last if is_sure else first) for first, last, is_sure in seen)
    begins = sorted((first, first if is_sure else last) for first, last, is_sure in seen)
    latest = [-FOREVER, *accumulate((bound for _, bound in ends), max)]
    earliest = [*accumulate((bound for _, bound in reversed(begins)), min, initial=FOREVER)][::-1]
    for span, (first, last, _) in zip(spans, seen, strict=True):
        before = bisect_left(ends, first, key=lambda end: end[0])
        after = bisect_right(begins, last, key=lambda begin: begin[0])
        yield replace(span, since=max(span.since, latest[before]), until=min(span.until, earliest[after]))


def _seen(span: Span[Interface]) -> tuple[float, float, bool]:
    """When it was seen first and last, and whether it held all the time; if not, it held at some moment in between."""
    first, last = span.surely or (span.since, span.until)
    return min(first, last), max(first, last), first <= last
