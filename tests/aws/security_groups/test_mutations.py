"""What is usually got wrong is noticed: each mistake, made on purpose, changes a verdict that tests hold."""

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from berthmaster.security_groups.model.flows import Flow, Quality
from berthmaster.security_groups.model.topology import Interface, Span, Topology
from berthmaster.security_groups.observe import flow_queries
from berthmaster.security_groups.plan import credits as crediting
from berthmaster.security_groups.plan.completeness import Completeness
from berthmaster.security_groups.plan.matching import Matching, credit
from berthmaster.security_groups.plan.rule_set import Matches, RuleSet
from tests.aws.security_groups.test_cases import CASES
from tests.support.security_groups.cases import Case
from tests.support.security_groups.comparison import judged_by_product

type Mutation = Callable[[pytest.MonkeyPatch], None]

REUSED = ip_address("10.0.2.20")
CHANGE = 1_700_000_000.0


def replaced(*texts: str) -> Mutation:
    """Other SQL."""

    def mutate(patch: pytest.MonkeyPatch) -> None:
        changed = flow_queries.CONNECTIONS.replace(*texts)
        assert changed != flow_queries.CONNECTIONS
        patch.setattr(flow_queries, "CONNECTIONS", changed)

    return mutate


def last_group_only(patch: pytest.MonkeyPatch) -> None:
    states = Matching._states

    def last(self: Matching, flow: Flow) -> tuple[list[tuple[str, ...]], bool]:
        found, is_known = states(self, flow)
        return [groups[-1:] for groups in found], is_known

    patch.setattr(Matching, "_states", last)


def ports_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RuleSet, "of_peer", lambda self, *_: Matches((1 << len(self.rules)) - 1, 0))


def knocks_as_use(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(crediting.KIND, Quality.KNOCK, "conversations")


def no_gate(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Completeness, "doubts", lambda *_: ())
    patch.setattr(Completeness, "lost", lambda *_: 0.0)


def replies_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RuleSet, "_carrying_replies", lambda *_: 0)


def always_as_now(patch: pytest.MonkeyPatch) -> None:
    made = Matching.__init__

    def init(self: Matching, topology: Topology) -> None:
        now = {id_: (Span(spans[-1].value),) for id_, spans in topology.interfaces.items()}
        made(self, Topology(interfaces=now, rules=topology.rules, groups=topology.groups, vpcs=topology.vpcs))

    patch.setattr(Matching, "__init__", init)


MUTATIONS: dict[str, tuple[Mutation, str]] = {
    "response traffic taken for use": (
        replaced("& 18 = 2", "& 2 = 2"),
        "a SYN-ACK without its SYN is no use of the rule for the reply",
    ),
    "REJECTs counted": (replaced("AND action = 'ACCEPT'", ""), "a rejected SYN"),
    "a rejected SYN-ACK counted": (replaced("AND action = 'ACCEPT'", ""), "a rejected SYN-ACK"),
    "last group only": (last_group_only, "every group of an interface counts"),
    "ports only": (ports_only, "another peer"),
    "members of groups by ports only": (ports_only, "no member of the group"),
    "knocks as use": (knocks_as_use, "a SYN that met RST"),
    "no completeness gate": (no_gate, "no log of the interface"),
    "no gate for lost records": (no_gate, "records were lost most of the time"),
    "untracked replies ignored": (replies_ignored, "replies of untracked connections need a rule"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mistake_changes_a_verdict(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate, noticing = MUTATIONS[name]
    mutate(monkeypatch)
    assert _verdicts(CASES[noticing], tmp_path) != CASES[noticing].rules


def _verdicts(case: Case, directory: Path) -> dict[str, str]:
    return {
        rule: one.verdict.value for rule, one in judged_by_product([case.file()], case.topology(), directory).items()
    }


def test_an_address_belongs_to_who_has_it_then(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _conversations_before_and_after() == [1, 0]
    always_as_now(monkeypatch)
    assert _conversations_before_and_after() == [0, 0]


def _conversations_before_and_after() -> list[int]:
    """What a rule is credited with by an address before another task has it, and after that."""
    rule = "in tcp 443 sg-db"
    topology = Case({rule: "used"}).topology()
    old, new = (
        Interface(id=f"eni-{group}", vpc="vpc-a", groups=(group,), addresses=(REUSED,)) for group in ("sg-db", "sg-x")
    )
    holders = {
        "eni-web": topology.interfaces["eni-web"],
        old.id: (Span(old, until=CHANGE),),
        new.id: (Span(new, since=CHANGE + 60),),
    }
    changing = Topology(interfaces=holders, rules=topology.rules, groups=topology.groups, vpcs=topology.vpcs)
    found = []
    for start in (CHANGE - 100, CHANGE + 200):
        flow = Flow(
            log="fl-0a",
            interface="eni-web",
            vpc="vpc-a",
            protocol=6,
            is_inbound=True,
            quality=Quality.CONVERSATION,
            peer=REUSED,
            vias=(),
            ports=(443, 443),
            peer_ports=(0, 0),
            records=1,
            first=start,
            last=start + 50,
        )
        credits_ = credit([flow], changing).get(rule)
        found.append(credits_.conversations.records if credits_ and credits_.conversations else 0)
    return found
