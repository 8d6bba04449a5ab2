"""Groups without an interface, and rules that name what is gone."""

from dataclasses import replace

from berthmaster.security_groups.model.references import References, Stale
from berthmaster.security_groups.model.rules import Direction, Group, GroupReference, PrefixListReference
from berthmaster.security_groups.model.topology import Interface, Span, Topology
from berthmaster.security_groups.plan.present import Present
from berthmaster.security_groups.plan.stale_rules import stale_rules
from berthmaster.security_groups.plan.unused_groups import groups_without_interface
from tests.support.security_groups.small_universe import tcp

SINCE, UNTIL = 1000.0, 2000.0


def carried(group: str, since: float, until: float) -> Span[Interface]:
    return Span(Interface(id="eni-1", vpc="vpc-1", groups=(group,)), since, until)


TOPOLOGY = Topology(
    groups={
        one.id: one
        for one in (
            Group(id="sg-now", name="now"),
            Group(id="sg-lately", name="lately"),
            Group(id="sg-before", name="before"),
            Group(id="sg-template", name="nodes"),
            Group(id="sg-named", name="named"),
            Group(id="sg-default", name="default"),
            Group(id="sg-deleted", name="deleted"),
        )
    },
    deleted_groups=frozenset({"sg-deleted"}),
    interfaces={
        "eni-1": (
            carried("sg-before", 0, 900),
            carried("sg-lately", 900, 1500),
            carried("sg-now", 1500, float("inf")),
        )
    },
    rules={
        one.id: (Span(one),)
        for one in (
            tcp("sgr-1", GroupReference("sg-named"), group="sg-now"),
            tcp("sgr-2", GroupReference("sg-before"), group="sg-before"),
        )
    },
)
READ = References(
    by_group={"nodes": ("launch template nodes version 1",), "sg-elsewhere": ("ECS service web of shop",)},
    looked_at=("launch templates", "ECS services"),
)


def test_what_is_said_of_groups_that_no_interface_carried_in_the_window() -> None:
    found = groups_without_interface(TOPOLOGY, SINCE, UNTIL, READ, not_looked_at="Glue")
    looked = "no interface carried it; none of these names it: launch templates, ECS services; not looked at: Glue"
    assert [(one.group, one.why, one.is_certain) for one in found.unused] == [
        ("sg-before", looked, True),
        ("sg-named", f"{looked}; rules of sg-now name it, and must go before it can be deleted", True),
    ]
    assert [(one.group, one.named_by) for one in found.latent] == [
        ("sg-template", ("launch template nodes version 1",)),
    ]


def test_nothing_is_certain_if_something_could_not_be_read() -> None:
    unread = replace(READ, looked_at=("launch templates",), unread=(("ECS services", "AccessDeniedException"),))
    found = groups_without_interface(TOPOLOGY, SINCE, UNTIL, unread, not_looked_at="Glue").unused
    assert {one.is_certain for one in found} == {False}
    assert "; ECS services could not be read (AccessDeniedException); " in found[0].why
    offline = groups_without_interface(TOPOLOGY, SINCE, UNTIL, References(), not_looked_at="anything").unused
    assert [(one.group, one.why, one.is_certain) for one in offline][:2] == [
        ("sg-before", "no interface carried it; not looked at: anything", False),
        ("sg-named", offline[1].why, False),
    ]


def test_rules_that_name_what_is_gone() -> None:
    ended = GroupReference("sg-9", vpc="vpc-9", peering="pcx-1", peering_status="deleted")
    now = Present(
        rules=(
            tcp("sgr-1", ended),
            tcp("sgr-2", replace(ended, peering_status="active")),
            tcp("sgr-3", PrefixListReference("pl-1")),
            tcp("sgr-4", GroupReference("sg-8"), direction=Direction.EGRESS),
            tcp("sgr-5", GroupReference("sg-8")),
        ),
        groups={"sg-8": Group(id="sg-8")},
    )
    assert [(one.rule, one.names) for one in stale_rules(now, Stale())] == [("sgr-1", "sg-9 in vpc-9 through pcx-1")]
    stale = Stale(references=frozenset({("sg-a", Direction.EGRESS, "sg-8")}), prefix_lists=frozenset({"pl-1"}))
    nothing = "it allows nothing, and nothing breaks without it"
    assert [(one.rule, one.names, one.why) for one in stale_rules(now, stale)] == [
        ("sgr-1", "sg-9 in vpc-9 through pcx-1", f"the peering is deleted: {nothing}"),
        ("sgr-3", "pl-1", f"the prefix list is deleted, or not shared with this account any more: {nothing}"),
        ("sgr-4", "sg-8", f"EC2 calls it stale: there is no peering to its VPC any more; {nothing}"),
    ]
