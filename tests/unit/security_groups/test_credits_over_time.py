"""Flows are credited by the interfaces, rules and prefix lists of their time, as a slow reading credits them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from berthmaster.security_groups.model.flows import Flow
from berthmaster.security_groups.model.topology import Topology
from berthmaster.security_groups.plan.matching import credit
from tests.support.security_groups import drawn
from tests.support.security_groups.comparison import credits_differ
from tests.support.security_groups.oracle import Judge


@settings(max_examples=100)
@given(drawn.changing_topologies(), st.lists(drawn.flows(), min_size=1, max_size=8))
def test_credits_are_those_of_the_time_of_the_flow(topology: Topology, flows: list[Flow]) -> None:
    judge = Judge(topology)
    for flow in flows:
        judge.flow(flow)
    assert not credits_differ(credit(flows, topology), judge.judged)
