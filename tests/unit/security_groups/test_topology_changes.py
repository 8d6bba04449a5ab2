"""Whatever happened between polls, spans hold what was, and are sure only of what was."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from berthmaster.security_groups.ledger.topology_codec import DamagedRecord, decoded, encoded
from berthmaster.security_groups.model.observations import Kind, Observation, Subject
from berthmaster.security_groups.model.rules import (
    Direction,
    Group,
    GroupReference,
    PrefixList,
    PrefixListReference,
    Rule,
)
from berthmaster.security_groups.model.topology import FlowLog, Interface, Topology, Vpc
from berthmaster.security_groups.plan.topology_changes import changes_between, state_at, topology_of

POLLS, EVERY = 12, 300.0
ADDRESSES = [IPv4Address(f"10.0.0.{number}") for number in range(4)]


@dataclass(frozen=True)
class Life:
    """A value of a subject, and when it held."""

    value: Subject
    since: float
    until: float


@dataclass
class World:
    """Interfaces that share few addresses, one after the other, and rules; none is ever again what it was."""

    rng: random.Random
    lives: list[Life]

    @classmethod
    def drawn(cls, seed: int) -> "World":
        """Each address goes from interface to interface; some change their groups, some rules their ports."""
        world = cls(random.Random(seed), [])  # noqa: S311 - a seed, not a secret
        for address in ADDRESSES:
            time = world.rng.uniform(0, 900)
            while time < POLLS * EVERY:
                until = time + world.rng.choice([20, 200, 600, 3000]) * world.rng.random()
                world._live(Interface(id=f"eni-{len(world.lives)}", vpc="vpc", addresses=(address,)), time, until)
                time = until + world.rng.choice([1, 30, 600])
        for number in range(3):
            rule = Rule(
                id=f"sgr-{number}", group="sg-a", direction=Direction.INGRESS, protocol=6, peer=ip_network("10.0.0.0/8")
            )
            world._live(rule, world.rng.uniform(-500, 2000), world.rng.uniform(2000, 5000))
        return world

    def _live(self, subject: Interface | Rule, since: float, until: float) -> None:
        turns = sorted(self.rng.uniform(since, until) for _ in range(self.rng.choice([0, 0, 1, 2])))
        for number, (a, b) in enumerate(zip([since, *turns], [*turns, until], strict=True)):
            self.lives.append(Life(replace(subject, description=f"{number}"), a, b))

    def at(self, key: str, time: float) -> Subject | None:
        return next((one.value for one in self.lives if one.value.id == key and one.since <= time < one.until), None)

    @property
    def ids(self) -> list[str]:
        return sorted({one.value.id for one in self.lives})

    def read(self, begun: float, ended: float) -> dict[str, Subject]:
        """Everything there is, each read at some moment."""
        found = {key: self.at(key, self.rng.uniform(begun, ended)) for key in self.ids}
        return {key: value for key, value in found.items() if value is not None}


def recorded(world: World) -> dict[str, tuple[Observation, ...]]:
    """What polls and events recorded: some polls are missing, some overlap, some events are lost."""
    rng, found = world.rng, {}
    newest, state = "", {}
    for number in range(POLLS):
        begun = number * EVERY
        if rng.random() < 0.15:
            continue
        ended = begun + rng.choice([0.5, 8.0])
        seen = world.read(begun, ended)
        survey = Observation(kind=Kind.SURVEY, begun=begun, ended=ended, previous=newest, seen=seen)
        if newest and rng.random() < 0.8:
            different, gone = changes_between(state, survey)
            survey = replace(survey, kind=Kind.CHANGES, seen=different, gone=gone)
        name = f"{number:03}"
        found[name] = (survey,)
        if newest and rng.random() < 0.1:
            continue  # it died before it could go on from there, or another was faster
        newest, state = name, seen
    for number, one in enumerate(world.lives):
        if rng.random() < 0.5 and (sightings := tuple(_sightings(world, one))):
            found[f"event {number}"] = sightings
    return found


def _sightings(world: World, one: Life) -> Iterator[Observation]:
    """As events show them: a moment after a change, read then; and that it was not there before, or is gone."""
    at = one.since + world.rng.uniform(0, 30)
    end = at + world.rng.uniform(0, 2)
    value = world.at(one.value.id, world.rng.uniform(at, end))
    if value is not None:
        yield Observation(kind=Kind.SIGHTING, begun=at, ended=end, seen={value.id: value})
    for time in (one.since - 1e-6, one.until):
        if world.at(one.value.id, time) is None:
            yield Observation(kind=Kind.SIGHTING, begun=time, ended=time, gone=frozenset({one.value.id}))


def spans_of(topology: Topology) -> Mapping[str, tuple]:
    return {**topology.interfaces, **topology.rules}


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_spans_hold_what_was_and_are_sure_of_nothing_else(seed: int) -> None:
    world = World.drawn(seed)
    record = recorded(world)
    spans = spans_of(topology_of(record))
    begun = min((one[0].begun for one in record.values() if one[0].kind is Kind.SURVEY), default=0.0)
    seen = {value for found in record.values() for one in found for value in one.seen.values()}
    for key in world.ids:
        for time in (world.rng.uniform(begun, POLLS * EVERY) for _ in range(20)):
            truth = world.at(key, time)
            there = spans.get(key, ())
            assert all(span.value == truth for span in there if span.is_sure(time, time)), (key, time)
            if truth in seen:
                assert any(span.value == truth and span.overlaps(time, time) for span in there), (key, time)
    for there in spans.values():
        assert [span.since for span in there] == sorted(span.since for span in there)
        assert all(span.since <= span.until for span in there)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_neither_order_nor_folding_nor_writing_changes_what_is_read(seed: int) -> None:
    world = World.drawn(seed)
    record = recorded(world)
    names = list(record)
    world.rng.shuffle(names)
    again = decoded("folded", encoded({name: record[name] for name in names}))

    assert topology_of({name: again[name] for name in names}) == topology_of(record)


def test_an_address_that_goes_from_one_interface_to_another_is_never_of_both_for_sure() -> None:
    first, second = (Interface(id=f"eni-{n}", vpc="vpc", addresses=(ADDRESSES[0],)) for n in (1, 2))
    record = {
        "a": (Observation(kind=Kind.SURVEY, begun=0, ended=1, seen={first.id: first}),),
        "b": (_changes("a", 300, {}, set()),),
        "c": (_changes("b", 600, {second.id: second}, {first.id}),),
        "d": (_changes("c", 900, {}, set()),),
    }
    spans = topology_of(record).interfaces

    assert [(span.since, span.until, span.surely) for span in spans["eni-1"]] == [(0, 601, (1, 300))]
    assert [(span.since, span.surely) for span in spans["eni-2"]] == [(300, (601, 900))]
    events = {
        "e": (
            Observation(kind=Kind.SIGHTING, begun=450, ended=450, gone=frozenset({"eni-1"})),
            Observation(kind=Kind.SIGHTING, begun=455, ended=455, gone=frozenset({"eni-2"})),
            Observation(kind=Kind.SIGHTING, begun=460, ended=461, seen={second.id: second}),
        )
    }
    spans = topology_of(record | events).interfaces

    assert [(span.since, span.until, span.surely) for span in spans["eni-1"]] == [(0, 450, (1, 300))]
    assert [(span.since, span.surely) for span in spans["eni-2"]] == [(455, (461, 900))]


def test_rules_of_a_group_that_was_read_as_a_whole_are_gone_if_they_were_not_there() -> None:
    rule = Rule(id="sgr-1", group="sg-a", direction=Direction.EGRESS, protocol=6, peer=ip_network("::/0"))
    record = {
        "a": (Observation(kind=Kind.SURVEY, begun=0, ended=1, seen={rule.id: rule}),),
        "b": (_changes("a", 300, {}, {rule.id}),),
        "e": (Observation(kind=Kind.SIGHTING, begun=100, ended=101, whole=frozenset({"sg-a"})),),
    }
    assert [span.until for span in topology_of(record).rules["sgr-1"]] == [101]


@pytest.mark.parametrize("lost", [(), ("b",)])
def test_what_was_before_an_outage_or_a_lost_record_stays_known(lost: tuple[str, ...]) -> None:
    one, two = Interface(id="eni-1", vpc="vpc"), Interface(id="eni-2", vpc="vpc")
    record = {
        "a": (Observation(kind=Kind.SURVEY, begun=0, ended=1, seen={one.id: one, two.id: two}),),
        "b": (_changes("a", 300, {}, set()),),
        "c": (_changes("b", 600, {}, {two.id}),),
        "d": (Observation(kind=Kind.SURVEY, begun=400_000, ended=400_001, seen={one.id: one}),),
        "e": (_changes("d", 400_300, {}, set()),),
    }
    spans = topology_of({name: found for name, found in record.items() if name not in lost}).interfaces

    before, after = spans["eni-1"]
    assert (before.since, before.until, after.since, after.until) == (0, 400_001, 0 if lost else 600, float("inf"))
    assert after.is_sure(400_100, 400_200)
    assert not before.is_sure(100_000, 100_000)
    assert before.is_sure(1, 0 if lost else 500)
    (gone,) = spans["eni-2"]
    assert gone.until == 601


def test_the_state_of_a_survey_is_what_its_chain_says() -> None:
    one, two, three = (Group(id=f"sg-{number}") for number in range(3))
    record = {
        "a": (Observation(kind=Kind.SURVEY, begun=0, ended=1, seen={one.id: one, two.id: two}),),
        "beside": (_changes("a", 200, {}, {one.id}),),
        "b": (_changes("a", 300, {three.id: three}, {two.id}),),
    }
    assert state_at(record, "b") == {one.id: one, three.id: three}


def _changes(previous: str, begun: float, seen: Mapping[str, Subject], gone: set[str]) -> Observation:
    return Observation(
        kind=Kind.CHANGES, begun=begun, ended=begun + 1, previous=previous, seen=seen, gone=frozenset(gone)
    )


def test_every_subject_survives_being_written() -> None:
    tags = (("team", "a"),)
    rule = Rule(id="sgr-1", group="sg-1", direction=Direction.EGRESS, protocol=1, icmp=(8, 0), peer=ip_network("::/0"))
    subjects: list[Subject] = [
        Interface(
            id="eni-1",
            vpc="vpc-1",
            groups=("sg-1",),
            addresses=(ip_address("10.0.0.1"), ip_address("::1")),
            prefixes=(ip_network("10.0.0.16/28"), ip_network("2001:db8::/80")),
            tags=tags,
        ),
        rule,
        replace(rule, id="sgr-2", ports=(1, 2), peer=GroupReference("sg-2", "1", "vpc-2", "pcx-1", "active")),
        replace(rule, id="sgr-3", peer=PrefixListReference("pl-1")),
        PrefixList(id="pl-1", version=3, entries=frozenset({ip_network("10.0.0.0/8")})),
        Group(id="sg-1", tags=tags),
        Vpc(id="vpc-1", cidrs=(ip_network("10.0.0.0/16"), ip_network("2001:db8::/56"))),
        FlowLog(id="fl-1", resource="vpc-1", fields=("start", "end")),
    ]
    survey = Observation(
        kind=Kind.CHANGES,
        begun=1.5,
        ended=2,
        previous="a",
        seen={one.id: one for one in subjects},
        gone=frozenset({"eni-9"}),
        whole=frozenset({"sg-1"}),
    )
    body = encoded({"": [survey]})

    assert decoded("name", body) == {"name": (survey,)}
    with pytest.raises(DamagedRecord, match="name cannot be read"):
        decoded("name", body[:-9])
