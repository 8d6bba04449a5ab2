"""Mistakes that tools make with flow logs, made one at a time: the company must notice each."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from unittest.mock import patch

from berthmaster.security_groups.model.flows import Flow, Quality
from berthmaster.security_groups.model.rules import Rule
from berthmaster.security_groups.model.topology import Span, Topology
from berthmaster.security_groups.plan import matching
from berthmaster.security_groups.plan.completeness import Completeness
from berthmaster.security_groups.plan.peers import Peers
from berthmaster.security_groups.plan.rule_set import RuleSet
from tests.simulation.mutations import Mutation
from tests.simulation.security_groups.chronicle import at_the_end, polled, with_last_group
from tests.simulation.security_groups.company import LOOKS
from tests.simulation.security_groups.engine import Engine

EPHEMERAL = (32768, 60999)
ANYBODY = ip_network("0.0.0.0/0")


@dataclass(frozen=True)
class EngineMutation(Mutation):
    """An engine that makes a mistake."""

    engine: Engine = field(default_factory=Engine)


class NoGate(Completeness):
    """Logs are taken for complete."""

    def doubts(self, rule: Rule) -> tuple[str, ...]:
        return ()

    def lost(self, rule: Rule) -> float:
        return 0.0


def rejects_accepted(body: bytes) -> bytes:
    return gzip.compress(gzip.decompress(body).replace(b" REJECT ", b" ACCEPT "), compresslevel=1)


def with_responses(flow: Flow) -> Iterator[Flow]:
    yield flow
    if flow.quality is Quality.CONVERSATION:
        yield flow._replace(is_inbound=not flow.is_inbound, ports=EPHEMERAL)


def knocks_as_use(flow: Flow) -> Iterator[Flow]:
    yield flow._replace(quality=Quality.CONVERSATION) if flow.quality is Quality.KNOCK else flow


def ports_only(topology: Topology) -> Topology:
    def widened(span: Span[Rule]) -> Span[Rule]:
        return replace(span, value=replace(span.value, peer=ANYBODY))

    return replace(topology, rules={one: tuple(map(widened, spans)) for one, spans in topology.rules.items()})


def _looks(topology: Topology) -> Topology:
    return polled(topology, LOOKS)


def _looking(patched: Callable[[], AbstractContextManager[object]]) -> Engine:
    """An engine that knows what somebody sees who looks now and then."""
    return Engine(topology=_looks, patched=patched)


def _mutation(name: str, shows: str, seed: int, engine: Engine) -> EngineMutation:
    return EngineMutation(name, {}, shows, seed, engine)


NO_REPLIES = patch.object(RuleSet, "_carrying_replies", lambda *_: 0)
NO_LAG = patch.object(matching, "LAG", 0)
SURE = patch.object(Span, "is_sure", lambda *_: True)
NO_MEMBER = patch.object(Peers, "may_be_in", lambda *_: False)
KNOWN = patch.object(matching.Matching, "_groups_in_vpc", lambda *_: ())
CARRIED, NOTHING = "is called unused, and carried", "is called used, and carried nothing"
NOBODY = "is called scanned only, and nobody knocked"
MUTATIONS: tuple[EngineMutation, ...] = (
    _mutation("response traffic is taken for use", NOTHING, 0, Engine(flows=with_responses)),
    _mutation("rejected traffic counts", NOBODY, 0, Engine(content=rejects_accepted)),
    _mutation("an interface has its last group only", CARRIED, 0, Engine(topology=with_last_group)),
    _mutation("old flows meet the current topology", CARRIED, 0, Engine(topology=at_the_end)),
    _mutation("rules are matched by ports only", NOTHING, 0, Engine(topology=ports_only)),
    _mutation("knocks are taken for use", NOTHING, 0, Engine(flows=knocks_as_use)),
    _mutation("logs are taken for complete", CARRIED, 2, Engine(completeness=NoGate)),
    _mutation("replies of untracked connections are ignored", CARRIED, 0, Engine(patched=lambda: NO_REPLIES)),
    _mutation("records are taken to be on time", NOTHING, 1, Engine(patched=lambda: NO_LAG)),
    _mutation("who held an address lately is taken to hold it", NOTHING, 1, _looking(lambda: SURE)),
    _mutation("an address that nobody holds is nobody's", CARRIED, 1, _looking(lambda: NO_MEMBER)),
    _mutation("interfaces that nobody recorded are left out", CARRIED, 1, _looking(lambda: KNOWN)),
)
