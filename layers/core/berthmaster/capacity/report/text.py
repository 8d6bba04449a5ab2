"""What people read: an expansion in plain text, with its reasons, its cost, and the command that decides it."""

import json
from collections.abc import Iterator

from berthmaster.bus import OPERATOR_SOURCE
from berthmaster.capacity.ledger.expansions import PROPOSAL_LIFETIME, Expansion, ExpansionState
from berthmaster.capacity.model import EniConfig, Plan

_HEADLINES = {
    ExpansionState.REPORTED: "would be expanded: nothing is done",
    ExpansionState.IMPOSSIBLE: "is short of addresses and nothing can be added",
    ExpansionState.PROPOSED: "can be expanded: your approval is asked",
    ExpansionState.RUNNING: "is being expanded",
    ExpansionState.DONE: "was expanded",
    ExpansionState.FAILED: "could not be expanded",
    ExpansionState.RETIRED: "gave an expansion back",
}


def subject(expansion: Expansion) -> str:
    """One line, for a subject."""
    return f"Berthmaster: {expansion.vpc_id} {_HEADLINES.get(expansion.state, expansion.state)}"


def text(expansion: Expansion, bus: str) -> str:
    """The whole story."""
    plan = expansion.plan
    return "\n".join(
        [
            f"{subject(expansion)}.",
            f"Expansion {expansion.id}, plan {expansion.fingerprint}.",
            *([expansion.note] if expansion.note else []),
            *_section("Why", [f"{need.origin_id} in {need.zone}: {need.reason}" for need in plan.needs]),
            *_section("Plan", steps(plan)),
            *_section("In the way", [f"{one.candidate}: {one.rule} → {one.remedy}" for one in plan.obstacles]),
            *_section("Cost", [_cost(plan)] if plan.changes_anything else []),
            *_section("Mind", plan.warnings),
            *_section("Left to you", [_left_out(one, expansion) for one in expansion.left_out]),
            *_section("Decide", _commands(expansion, bus)),
            *_section("Custom networking only", [eni_config_manifest(one, expansion) for one in plan.eni_configs]),
        ]
    )


def steps(plan: Plan) -> list[str]:
    """One line per step, in the order they are done."""
    return [
        *([f"associate {plan.block.cidr} from the {plan.block.source}: {plan.block.reason}"] if plan.block else []),
        *(
            f"create subnet {one.cidr} in {one.zone} beside {one.sibling_id}, with "
            f"{one.route_table_id or 'the main route table'} and {one.network_acl_id or 'the default network ACL'}"
            + (", reserved for prefixes" if one.prefix_reservations else "")
            + f": {one.reason}"
            for one in plan.subnets
        ),
        *(f"add {_added(one)} to ECS service {one.service}: {one.reason}" for one in plan.services),
        *(f"add {_added(one)} to {one.kind} {one.name}: {one.reason}" for one in plan.callers),
    ]


def command(detail_type: str, expansion: Expansion, bus: str, **more: str) -> str:
    """The AWS CLI command with which an operator says it."""
    entry = {
        "EventBusName": bus,
        "Source": OPERATOR_SOURCE,
        "DetailType": detail_type,
        "Detail": json.dumps({"expansion": expansion.id, **more}),
    }
    return f"aws events put-events --entries '{json.dumps([entry])}'"


def eni_config_manifest(config: EniConfig, expansion: Expansion) -> str:
    """An ENIConfig for VPC CNI custom networking, named for its zone as ENI_CONFIG_LABEL_DEF by zone expects it."""
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


def _section(title: str, lines: list[str] | tuple[str, ...]) -> Iterator[str]:
    if lines:
        yield from ("", f"{title}:", *(f"- {line}" if "\n" not in line else line for line in lines))


def _left_out(service: str, expansion: Expansion) -> str:
    subnets = ", ".join(expansion.subnet_ids.values())
    return f"ECS service {service}: its deployment does not end; add {subnets} to its subnets yourself"


def _cost(plan: Plan) -> str:
    left = "an unknown number of" if plan.cidrs_left is None else plan.cidrs_left
    block = f"one of the VPC's CIDRs, {left} left after it" if plan.block else "none of the VPC's CIDRs"
    return f"{plan.addresses} addresses; subnets: {len(plan.subnets)}; {block}; AWS charges nothing for either"


def _commands(expansion: Expansion, bus: str) -> list[str]:
    if expansion.state is ExpansionState.PROPOSED:
        until = expansion.created_at + PROPOSAL_LIFETIME
        return [
            f"approve, until {until:%Y-%m-%d %H:%M} UTC: "
            + command("Plan Approved", expansion, bus, fingerprint=expansion.fingerprint),
            f"reject: {command('Plan Rejected', expansion, bus)}",
        ]
    if expansion.state is ExpansionState.DONE and expansion.plan.subnets:
        return [f"undo, once nobody uses it: {command('Expansion Retired', expansion, bus)}"]
    return []


def _added(wiring: object) -> str:
    cidrs, ids = getattr(wiring, "add_cidrs", ()), getattr(wiring, "add_ids", ())
    return ", ".join([*map(str, cidrs), *ids])


def detail(expansion: Expansion) -> dict[str, object]:
    """What an event on the bus tells of an expansion."""
    plan = expansion.plan
    return {
        "expansion": expansion.id,
        "vpc": expansion.vpc_id,
        "state": expansion.state,
        "fingerprint": expansion.fingerprint,
        "by": expansion.by,
        "note": expansion.note,
        "block": str(plan.block.cidr) if plan.block else None,
        "subnets": [
            {
                "cidr": str(one.cidr),
                "zone": one.zone,
                "sibling": one.sibling_id,
                "subnet": expansion.subnet_ids.get(str(one.cidr)),
            }
            for one in plan.subnets
        ],
        "steps": steps(plan),
        "warnings": list(plan.warnings),
        "obstacles": [f"{one.candidate}: {one.rule}" for one in plan.obstacles],
        "left_out": list(expansion.left_out),
        "eni_configs": [eni_config_manifest(one, expansion) for one in plan.eni_configs],
    }
