"""An expansion as people read it: with its reasons, its cost, and the commands that decide about it."""

from collections.abc import Iterable, Iterator, Sequence

from berthmaster.approval import command
from berthmaster.capacity.ledger.expansions import PROPOSAL_LIFETIME, Expansion, ExpansionState
from berthmaster.capacity.model.plan import CallerWiring, EniConfig, NewSubnet, Plan, ServiceWiring
from berthmaster.capacity.model.updates import ServiceUpdate

MOST_LISTED = 100
_HEADLINES = {
    ExpansionState.REPORTED: "would be expanded; nothing is done",
    ExpansionState.IMPOSSIBLE: "is short of addresses and cannot be expanded",
    ExpansionState.PROPOSED: "can be expanded if you approve",
    ExpansionState.DONE: "was expanded",
    ExpansionState.FAILED: "could not be expanded",
    ExpansionState.RETIRED: "had an expansion undone",
}


def headline(expansion: Expansion) -> str:
    """One line about an expansion in a state that is reported."""
    if expansion.found:
        return f"{expansion.plan.vpc} has an expansion that was not on record"
    if expansion.state is ExpansionState.IMPOSSIBLE and expansion.plan.is_for_people:
        return f"{expansion.plan.vpc} is short of addresses and needs a change by you"
    return f"{expansion.plan.vpc} {_HEADLINES[expansion.state]}"


def text(expansion: Expansion, bus: str, region: str) -> str:
    """The whole notification; commands put their event on this bus in this Region."""
    plan = expansion.plan
    return "\n".join(
        [
            f"{headline(expansion)}.",
            f"Expansion {expansion.id}, plan {expansion.fingerprint}.",
            *([expansion.note] if expansion.note else []),
            *_section("Why", [f"{need.origin_id} in {need.zone}: {need.reason}" for need in plan.needs]),
            *_section("Plan", steps(plan)),
            *_section("Blocked by", [f"{one.candidate}: {one.rule} → {one.remedy}" for one in plan.obstacles]),
            *_section("Cost", [_cost(plan)] if plan.changes_anything else []),
            *_section("Warnings", plan.warnings),
            *_section("Services", listed([f"{one.label}: {outcome_of(one)}" for one in expansion.updates])),
            *_section("To do by hand", [_left_out(one, expansion) for one in listed(expansion.left_out)]),
            *_section("To decide", _commands(expansion, bus, region)),
            *_section("Custom networking only", [eni_config_manifest(one, expansion) for one in plan.eni_configs]),
        ]
    )


def refusal_text(expansion: Expansion, bus: str, region: str) -> str:
    """Why an expansion was not undone, who uses it, and how its subnets can be drained first."""
    drain = command(bus, region, "Retirement Requested", expansion=expansion.id, drain=True)
    helps = [f"- have the subnets drained, and deleted when they are empty:\n  {drain}"] if expansion.can_drain else []
    return "\n".join(
        [
            f"Expansion {expansion.id} was not undone: {expansion.kept_because}.",
            *_section("In use", listed(expansion.in_use)),
            *_section("To undo it all the same", helps),
        ]
    )


def draining_text(expansion: Expansion, bus: str, region: str) -> str:
    """What is left in the subnets of an expansion, and how to stop."""
    stop = command(bus, region, "Proposal Rejected", proposal=expansion.proposal)
    return "\n".join(
        [
            f"Expansion {expansion.id} of {expansion.plan.vpc} is being drained.",
            "Nothing places tasks in its subnets any more, and they are deleted when they are empty.",
            "If that takes too long, they stay, and Retirement Refused says so.",
            *_section("In use", listed(expansion.in_use)),
            *_section("To decide", [f"- stop, and keep the subnets:\n  {stop}"]),
        ]
    )


def listed(lines: Sequence[str]) -> list[str]:
    """The first lines, and how many more there are: an event has 256 KB."""
    more = len(lines) - MOST_LISTED
    return [*lines[:MOST_LISTED], *([f"{more} more"] if more > 0 else [])]


def steps(plan: Plan) -> list[str]:
    """One line per step, in the order in which they are done."""
    return [
        *([f"associate {plan.block.cidr} from the {plan.block.source}: {plan.block.reason}"] if plan.block else []),
        *(
            f"create subnet {one.cidr}{_with_ipv6(one)} in {one.zone} beside {one.sibling_id}, with "
            f"{one.route_table_id or 'the main route table'} and {one.network_acl_id or 'the default network ACL'}"
            + (", reserved for prefixes" if one.prefix_reservations else "")
            + f": {one.reason}"
            for one in plan.subnets
        ),
        *listed([f"add {_added(one)} to ECS service {one.service}: {one.reason}" for one in plan.services]),
        *listed([f"add {_added(one)} to {one.kind} {one.name}: {one.reason}" for one in plan.callers]),
    ]


def _with_ipv6(subnet: NewSubnet) -> str:
    return f" and {subnet.ipv6_cidr}" if subnet.ipv6_cidr else ""


def eni_config_manifest(config: EniConfig, expansion: Expansion) -> str:
    """An ENIConfig for VPC CNI custom networking, named after its zone, as ENI_CONFIG_LABEL_DEF by zone expects it."""
    subnet = expansion.subnet_ids.get(str(config.cidr), f"<the subnet of {config.cidr}>")
    return "\n".join(
        [
            f"# {config.reason}",
            "# Add the security groups that your present ENIConfig names.",
            "apiVersion: crd.k8s.amazonaws.com/v1alpha1",
            "kind: ENIConfig",
            "metadata:",
            f"  name: {config.zone}",
            "spec:",
            f"  subnet: {subnet}",
        ]
    )


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    items = [f"- {line}" if "\n" not in line else line for line in lines]
    if items:
        yield from ("", f"{title}:", *items)


def outcome_of(update: ServiceUpdate) -> str:
    """What became of the update of a service."""
    return f"{update.state}: {update.reason}" if update.reason else update.state


def _left_out(workload: str, expansion: Expansion) -> str:
    update = next((one for one in expansion.updates if one.label == workload), None)
    reason = update.reason if update else expansion.left_out_because.get(workload)
    subnets = ", ".join(update.subnet_ids if update else expansion.subnet_ids.values())
    return f"{workload} was not changed{f', because {reason}' if reason else ''}: add {subnets} to its subnets"


def _cost(plan: Plan) -> str:
    left = "an unknown number of" if plan.cidrs_left is None else plan.cidrs_left
    block = f"one of the VPC's CIDRs, {left} left afterwards" if plan.block else "none of the VPC's CIDRs"
    return f"{plan.addresses} addresses; subnets: {len(plan.subnets)}; {block}; AWS charges for neither"


def _commands(expansion: Expansion, bus: str, region: str) -> list[str]:
    """Each on a line of its own, so that it can be pasted."""
    proposal = expansion.proposal
    if expansion.state is ExpansionState.PROPOSED:
        until = expansion.created_at + PROPOSAL_LIFETIME
        approve = command(bus, region, "Proposal Approved", proposal=proposal, fingerprint=expansion.fingerprint)
        return [
            f"- approve, until {until:%Y-%m-%d %H:%M} UTC:\n  {approve}",
            f"- reject:\n  {command(bus, region, 'Proposal Rejected', proposal=proposal)}",
        ]
    if (expansion.state is ExpansionState.DONE or expansion.found) and expansion.plan.subnets:
        retire = command(bus, region, "Retirement Requested", expansion=expansion.id)
        return [f"- undo, once it is not in use any more:\n  {retire}"]
    return []


def _added(wiring: ServiceWiring | CallerWiring) -> str:
    return ", ".join([*map(str, wiring.add_cidrs), *wiring.add_ids])
