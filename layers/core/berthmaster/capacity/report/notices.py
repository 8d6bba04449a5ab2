"""What capacity publishes: expansions, refusals, needs and failures as notices."""

from collections.abc import Mapping, Sequence
from typing import Any

from berthmaster.capacity.ledger.expansions import Expansion, ExpansionState, vpc_of
from berthmaster.capacity.model.findings import Finding, named
from berthmaster.capacity.model.shortage import Cause, Shortage
from berthmaster.capacity.model.vpc import VpcSnapshot
from berthmaster.capacity.plan.demand import Assessment
from berthmaster.capacity.report.text import (
    MOST_LISTED,
    draining_text,
    eni_config_manifest,
    headline,
    listed,
    refusal_text,
    steps,
    text,
)
from berthmaster.notices import Notice

_DETAIL_TYPES = {
    ExpansionState.REPORTED: "Expansion Reported",
    ExpansionState.IMPOSSIBLE: "Expansion Impossible",
    ExpansionState.PROPOSED: "Expansion Proposed",
    ExpansionState.DONE: "Expansion Completed",
    ExpansionState.FAILED: "Expansion Failed",
    ExpansionState.RETIRED: "Expansion Retired",
}
_REMEDIES = {
    Cause.ENI_SLOTS: "the container instances cannot attach another interface: turn on ENI trunking (awsvpcTrunking), "
    "or run more instances",
    Cause.THROTTLING: "EC2 throttled the call, and it will be tried again: spread launches or ask for a higher rate",
    Cause.QUOTA: "a quota was reached: ask for a higher one",
    Cause.PERMISSION: "the caller may not create interfaces there: check its role and the sharing of the subnet",
    Cause.OTHER: "the event names no shortage of addresses",
}


def outcome(expansion: Expansion, bus: str, region: str) -> Notice:
    """What became of an expansion, for people too unless they decided it; see `text`."""
    if expansion.state is ExpansionState.REJECTED:
        return Notice("Expansion Rejected", detail(expansion), (expansion.vpc_id,))
    if expansion.kept_because:
        return _not_retired(expansion, bus, region)
    if expansion.state is ExpansionState.DRAINING:
        return _draining(expansion, bus, region)
    if expansion.found:
        return _found(expansion, bus, region)
    return Notice(
        _DETAIL_TYPES[expansion.state],
        detail(expansion),
        (expansion.vpc_id,),
        subject=headline(expansion),
        text=text(expansion, bus, region),
    )


def _found(expansion: Expansion, bus: str, region: str) -> Notice:
    """An expansion was not on record, and the tags of its subnets show it."""
    subnets = [
        {"cidr": str(one.cidr), "zone": one.zone, "subnet": expansion.subnet_ids[str(one.cidr)]}
        for one in expansion.plan.subnets
    ]
    return Notice(
        "Expansion Found",
        {
            "expansion": expansion.id,
            "vpc": expansion.vpc_id,
            "state": expansion.state,
            "note": expansion.note,
            "subnets": subnets,
        },
        (expansion.vpc_id,),
        subject=headline(expansion),
        text=text(expansion, bus, region),
        is_warning=True,
    )


def _not_retired(expansion: Expansion, bus: str, region: str) -> Notice:
    """An expansion is not undone because it is in use; for people too."""
    reported = {**detail(expansion), "reason": expansion.kept_because, "in_use": listed(expansion.in_use)}
    return Notice(
        "Retirement Refused",
        reported,
        (expansion.vpc_id,),
        subject=f"expansion of {expansion.plan.vpc} not undone",
        text=refusal_text(expansion, bus, region),
        is_warning=True,
    )


def _draining(expansion: Expansion, bus: str, region: str) -> Notice:
    """Nothing places tasks in an expansion's subnets any more, and some are left; for people too."""
    return Notice(
        "Expansion Draining",
        {"expansion": expansion.id, "vpc": expansion.vpc_id, "by": expansion.by, "in_use": listed(expansion.in_use)},
        (expansion.vpc_id,),
        subject=f"expansion of {expansion.plan.vpc} is being drained",
        text=draining_text(expansion, bus, region),
    )


def paused(expansion: Expansion, reason: str) -> Notice:
    """An expansion that was begun stopped between two steps; for people too."""
    return Notice(
        "Expansion Paused",
        {"expansion": expansion.id, "vpc": expansion.vpc_id, "state": expansion.state, "reason": reason},
        (expansion.vpc_id,),
        subject=f"expansion of {expansion.plan.vpc} stopped where it was",
        text=(
            f"Expansion {expansion.id} of {expansion.plan.vpc}, which is {expansion.state}, stopped where it was: "
            f"{reason}. It goes on within five minutes of Resume Requested."
        ),
    )


def stalled(expansion_id: str, state: str) -> Notice:
    """An expansion is to be continued, published or recorded, and nobody works on it."""
    vpc_id = vpc_of(expansion_id)
    return Notice(
        "Expansion Stalled",
        {"expansion": expansion_id, "vpc": vpc_id, "state": state},
        (vpc_id,),
        is_warning=True,
    )


def diagnosis(shortage: Shortage) -> Notice:
    """What a failure is that more addresses would not fix."""
    return Notice(
        "Failure Diagnosed",
        {
            "cause": shortage.cause,
            "source": shortage.source,
            "subnets": shortage.subnet_ids,
            "text": shortage.text,
            "remedy": _REMEDIES[shortage.cause],
        },
        shortage.subnet_ids,
        is_warning=True,
    )


def findings_reported(findings: Sequence[Finding]) -> list[Notice]:
    """One notice per finding; people get one message that lists all of them."""
    return [
        Notice(
            "Finding Reported",
            {"resource": one.resource, "code": one.code, "text": one.text},
            (one.resource,),
            subject=f"capacity: {one.code} of {named(one.resource, one.name)}",
            text=f"{named(one.resource, one.name)}: {one.text}.",
            is_warning=True,
            group="capacity: findings",
        )
        for one in findings
    ]


def denied(expansion: Expansion, error: str) -> Notice:
    """An expansion waits until a call is allowed."""
    remedy = (
        "Berthmaster's role may not make this call: see whether a permissions boundary, a service control policy or a "
        "key policy denies it. The expansion goes on within minutes of that, and fails after two hours"
    )
    return Notice(
        "Failure Diagnosed",
        {
            "cause": Cause.PERMISSION,
            "source": f"expansion {expansion.id}",
            "subnets": (),
            "text": error,
            "remedy": remedy,
        },
        (expansion.vpc_id,),
        subject=f"{expansion.vpc_id}: AWS denies a call of expansion {expansion.id}",
        text=f"Expansion {expansion.id} waits: {error}\n\n{remedy}.",
        is_warning=True,
    )


def room_needed(snapshot: VpcSnapshot, short: Sequence[Assessment]) -> Notice:
    """A VPC has groups of subnets that need more addresses."""
    return Notice(
        "Room Needed",
        {
            "vpc": snapshot.vpc_id,
            "subnets": [_short_group(assessment) for assessment in short],
            "cidrs_left": snapshot.cidrs_left,
            "subnets_left": snapshot.subnets_left,
        },
        (snapshot.vpc_id,),
        is_warning=True,
    )


def _short_group(assessment: Assessment) -> Mapping[str, Any]:
    hours, worst = assessment.hours_pessimistic, assessment.worst
    return {
        "subnet": assessment.group.origin.id,
        "zone": assessment.group.origin.zone,
        "free": worst.subnets.free,
        "hours": None if hours is None else round(hours, 1),
        "reason": worst.reason,
        "committed": worst.deployments.committed,
        "surge": worst.deployments.surge,
        "holders": assessment.holders,
    }


def detail(expansion: Expansion) -> dict[str, Any]:
    """An expansion in the detail of an event."""
    plan = expansion.plan
    proposal = {"proposal": expansion.proposal} if expansion.state is ExpansionState.PROPOSED else {}
    return {
        **proposal,
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
        "obstacles": [f"{one.candidate}: {one.rule} → {one.remedy}" for one in plan.obstacles],
        "left_out": listed(expansion.left_out),
        "updates": [
            {
                "cluster": one.cluster,
                "service": one.service,
                "subnets": one.subnet_ids,
                "state": one.state,
                "reason": one.reason,
                "deployment": one.deployment,
            }
            for one in expansion.updates[:MOST_LISTED]
        ],
        "eni_configs": [eni_config_manifest(one, expansion) for one in plan.eni_configs],
    }
