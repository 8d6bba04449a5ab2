"""Mistakes that tools make with flow logs, made one at a time: the company must notice each."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from unittest.mock import patch

from berthmaster.security_groups.model.flows import Flow, Quality
from berthmaster.security_groups.model.rules import Rule
from berthmaster.security_groups.model.topology import Span, Topology
from berthmaster.security_groups.plan.completeness import Completeness
from berthmaster.security_groups.plan.rule_set import RuleSet
from tests.simulation.mutations import Mutation
from tests.simulation.security_groups.chronicle import at_the_end, with_last_group
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


def _rejects_accepted(body: bytes) -> bytes:
    return gzip.compress(gzip.decompress(body).replace(b" REJECT ", b" ACCEPT "), compresslevel=1)


def _with_responses(flow: Flow) -> Iterator[Flow]:
    yield flow
    if flow.quality is Quality.CONVERSATION:
        yield flow._replace(is_inbound=not flow.is_inbound, ports=EPHEMERAL)


def _knocks_as_use(flow: Flow) -> Iterator[Flow]:
    yield flow._replace(quality=Quality.CONVERSATION) if flow.quality is Quality.KNOCK else flow


def _ports_only(topology: Topology) -> Topology:
    def widened(span: Span[Rule]) -> Span[Rule]:
        return replace(span, value=replace(span.value, peer=ANYBODY))

    return replace(topology, rules={one: tuple(map(widened, spans)) for one, spans in topology.rules.items()})


def _mutation(name: str, shows: str, seed: int, engine: Engine) -> EngineMutation:
    return EngineMutation(name, {}, shows, seed, engine)


NO_REPLIES = patch.object(RuleSet, "carrying_replies", lambda *_: 0)
CARRIED, NOTHING = "is called unused, and carried", "is called used, and carried nothing"
NOBODY = "is called scanned only, and nobody knocked"
MUTATIONS: tuple[EngineMutation, ...] = (
    _mutation("response traffic is taken for use", NOTHING, 0, Engine(flows=_with_responses)),
    _mutation("rejected traffic counts", NOBODY, 0, Engine(content=_rejects_accepted)),
    _mutation("an interface has its last group only", CARRIED, 0, Engine(topology=with_last_group)),
    _mutation("old flows meet the current topology", CARRIED, 0, Engine(topology=at_the_end)),
    _mutation("rules are matched by ports only", NOTHING, 0, Engine(topology=_ports_only)),
    _mutation("knocks are taken for use", NOTHING, 0, Engine(flows=_knocks_as_use)),
    _mutation("logs are taken for complete", CARRIED, 2, Engine(completeness=NoGate)),
    _mutation("replies of untracked connections are ignored", CARRIED, 0, Engine(patched=lambda: NO_REPLIES)),
)
