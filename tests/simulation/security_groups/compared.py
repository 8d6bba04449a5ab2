"""Unused rules as others find them, in the same companies: `python -m tests.simulation.security_groups.compared 0-3`.

Precision: of the rules that are called unused, or scanned only, how many carried nothing. Recall: of those that carried
nothing, how many are called so.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain

from berthmaster.security_groups.model.evidence import Verdict
from berthmaster.security_groups.model.flows import Flow
from berthmaster.security_groups.model.topology import Topology
from tests.simulation.security_groups.chronicle import at_the_end, with_last_group
from tests.simulation.security_groups.engine import Engine
from tests.simulation.security_groups.mutations import (
    NoGate,
    knocks_as_use,
    ports_only,
    rejects_accepted,
    with_responses,
)
from tests.simulation.security_groups.weeks import SCALED, Weeks, weeks

UNUSED = {Verdict.UNUSED, Verdict.SCANNED_ONLY}
type Method = Callable[[Weeks], set[str]]


def engine(lived: Weeks, made: Engine) -> set[str]:
    """The rules that an engine calls unused."""
    readings = lived.readings
    if made.content is not Engine.content:
        readings = made.read(lived.files, lived.topology)
    found = made.verdicts(readings, made.topology(lived.topology))
    return {rule for rule, verdict in found.items() if verdict in UNUSED}


def as_others_match(flow: Flow) -> Iterator[Flow]:
    """Every flow is use, and so is its response."""
    return chain.from_iterable(map(with_responses, knocks_as_use(flow)))


def as_others_know(topology: Topology) -> Topology:
    """Ports, of the last group of who is there now."""
    return ports_only(with_last_group(at_the_end(topology)))


def of_the_last_third(lived: Weeks) -> set[str]:
    """As if a window of 90 days were one of 30."""
    since, until = lived.judge.window
    first = until - (until - since) / 3
    return engine(
        lived,
        Engine(flows=lambda flow: (flow,) if flow.last >= first else (), completeness=NoGate),
    )


def of_groups_without_interface(lived: Weeks) -> set[str]:
    """The rules of groups that no interface carries when one looks."""
    now = at_the_end(lived.topology)
    carried = {group for spans in now.interfaces.values() for span in spans for group in span.value.groups}
    return {rule for rule, spans in now.rules.items() if spans[-1].value.group not in carried}


METHODS: dict[str, Method] = {
    "Berthmaster": lambda lived: engine(lived, Engine()),
    "groups without an interface": of_groups_without_interface,
    "a window of a third": of_the_last_third,
    "ports only": lambda lived: engine(lived, Engine(topology=ports_only, completeness=NoGate)),
    "ports, last group, as things are now, all records (aws-samples)": lambda lived: engine(
        lived,
        Engine(content=rejects_accepted, flows=as_others_match, topology=as_others_know, completeness=NoGate),
    ),
}


def compared(seeds: range) -> Iterator[str]:
    """A line for each method. Rules count that were there from beginning to end."""
    right, called, idle = Counter[str](), Counter[str](), 0
    for seed in seeds:
        lived = weeks(seed, SCALED)
        since, until = lived.judge.window
        there = {
            rule
            for rule, spans in lived.topology.rules.items()
            if len(spans) == 1 and spans[0].since <= since and spans[0].until >= until
        }
        truly = there - lived.judge.truth.carried.keys()
        idle += len(truly)
        for name, method in METHODS.items():
            found = method(lived) & there
            right[name] += len(found & truly)
            called[name] += len(found)
    for name in METHODS:
        precision = f"{right[name] / called[name]:.0%}" if called[name] else "-"
        yield f"{name}: precision {precision}, recall {right[name] / idle:.0%} ({called[name]} called unused)"


if __name__ == "__main__":
    first, _, last = sys.argv[1].partition("-")
    for line in compared(range(int(first), int(last or first) + 1)):
        print(line, flush=True)  # noqa: T201 - its purpose
