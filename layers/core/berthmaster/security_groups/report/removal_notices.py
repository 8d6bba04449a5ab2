"""What becomes of rules that are removed, as notices."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from berthmaster.approval import command
from berthmaster.notices import Notice
from berthmaster.requests import Request
from berthmaster.security_groups.model.place import Place
from berthmaster.security_groups.model.removals import Candidate, Origin, Proposal, Removal, RemovalState
from berthmaster.security_groups.model.rules import Group, Rule
from berthmaster.security_groups.model.tags import KEEP, MANAGED, TAG
from berthmaster.security_groups.plan.patches import Changes
from berthmaster.security_groups.plan.rule_text import peer_text, text_of
from berthmaster.security_groups.report.removal_words import next_step

TYPES = {
    RemovalState.ANNOUNCED: "Removal Announced",
    RemovalState.QUARANTINED: "Rule Quarantined",
    RemovalState.REVOKED: "Rule Revoked",
    RemovalState.CLOSED: "Removal Closed",
    RemovalState.RESTORED: "Rule Restored",
    RemovalState.WITHDRAWN: "Removal Withdrawn",
}
"""Of the notice of each state that has one."""
RESTORE_REQUESTED = "Restore Requested"
_RESTORABLE = frozenset({RemovalState.QUARANTINED, RemovalState.REVOKED})


def changed(removal: Removal, place: Place) -> Notice:
    """A removal has come into a state. place: for the command by which the rule is restored."""
    rule, state = removal.rule, removal.state
    lines = [f"{_sentence(removal)}: {_why(removal)}."]
    if state is RemovalState.ANNOUNCED:
        lines.append(
            f"Nothing is changed before {_minute(removal.due_at)}."
            f" To keep it, tag the rule or its group with {KEEP} and the reason."
        )
    if state in _RESTORABLE:
        lines.append(f"To restore it:\n\n{_command(place, RESTORE_REQUESTED, rule=rule.id)}")
    return Notice(
        TYPES[state],
        about(removal),
        _resources(rule),
        subject=f"security groups: {rule.id} {state}",
        text="\n\n".join(lines),
        group=TYPES[state],
    )


def about(removal: Removal) -> dict[str, Any]:
    """What the event says of each removal."""
    return {
        **_of_rule(removal.candidate),
        "why": _why(removal),
        "origin": removal.origin,
        "owner": removal.owner,
        "state": removal.state,
        "due": _iso(removal.due_at) if removal.state.is_open else None,
        "proposal": removal.proposal,
        "by": removal.by,
    }


def reported(candidate: Candidate, origin: Origin, owner: str, obstacle: str) -> Notice:
    """In mode observe: what would be announced, and what stands in the way."""
    rule = candidate.rule
    is_held = f"It would not be removed all the same: {obstacle}." if obstacle else "It would be removed."
    return Notice(
        "Removal Reported",
        {**_of_rule(candidate), "origin": origin, "owner": owner, "obstacle": obstacle},
        _resources(rule),
        subject=f"security groups: {rule.id} may go",
        text=f"{_named(rule)} may go: {candidate.why}. {is_held} The mode is observe: nothing is done.",
        group="Removal Reported",
    )


def patch_proposed(candidate: Candidate, origin: Origin, owner: str, changes: Changes) -> Notice:
    """A rule that is made by code may go: what is to be changed there."""
    rule = candidate.rule
    return Notice(
        "Patch Proposed",
        {
            **_of_rule(candidate),
            "origin": origin,
            "owner": owner,
            "where": changes.where,
            "cli": changes.cli,
            "cloudformation": changes.cloudformation,
            "terraform": changes.terraform,
        },
        _resources(rule),
        subject=f"security groups: {rule.id} may go from code",
        text=(
            f"{_named(rule)} may go: {candidate.why}. {changes.where}, so Berthmaster leaves it as it is;"
            f" whoever has the code can remove it there.\n\nIn CloudFormation:\n\n{changes.cloudformation}"
            f"\n\nIn Terraform:\n\n{changes.terraform}"
        ),
        group="Patch Proposed",
    )


def removals_proposed(proposal: Proposal, removals: Sequence[Removal], place: Place) -> Notice:
    """Rules of a group wait for a decision."""
    decision = {"proposal": proposal.id, "fingerprint": proposal.fingerprint}
    listed = "\n".join(f"- {one.rule.id}: {text_of(one.rule)} ({one.candidate.why})" for one in removals)
    owner = next((one.owner for one in removals if one.owner), "")
    return Notice(
        "Removals Proposed",
        {
            **decision,
            "group": proposal.group,
            "rules": [_of_rule(one.candidate) | {"origin": one.origin} for one in removals],
            "owner": owner,
            "expires": _iso(proposal.expires_at),
        },
        (proposal.group, *(one.rule.id for one in removals)),
        subject=f"security groups: remove {_rules(len(removals))} of {proposal.group}?",
        text=(
            f"{_rules(len(removals))} of {proposal.group}{_owned(owner)} would be quarantined, watched, and revoked:"
            f"\n\n{listed}\n\nWhen they are approved, all conversations of the window are replayed once more without"
            f" them. It can be approved until {_minute(proposal.expires_at)}. To approve:\n\n"
            f"{_command(place, 'Proposal Approved', **decision)}\n\nTo reject:\n\n"
            f"{_command(place, 'Proposal Rejected', **decision)}"
        ),
    )


def proposal_superseded(proposal: Proposal) -> Notice:
    """What was decided about a proposal is not carried out, or no further."""
    by = proposal.decider
    return Notice(
        "Proposal Superseded",
        {
            "proposal": proposal.id,
            "group": proposal.group,
            "rules": list(proposal.rules),
            "why": proposal.superseded,
            "by": proposal.decided_by,
        },
        (proposal.group, *proposal.rules),
        subject=f"security groups: {proposal.id} does not stand any more",
        text=(
            f"{proposal.id}, which {by} has {proposal.verdict}, does not stand any more: {proposal.superseded}."
            " What was not changed yet stays as it is. What may still go is proposed anew."
        ),
        is_warning=True,
    )


def restore_proposed(proposal: Proposal, removal: Removal, place: Place) -> Notice:
    """Something was rejected that a removed rule would have allowed, from a peer that nobody knows."""
    decision = {"proposal": proposal.id, "fingerprint": proposal.fingerprint}
    return Notice(
        "Restore Proposed",
        {**about(removal), **decision, "why": proposal.why, "expires": _iso(proposal.expires_at)},
        _resources(removal.rule),
        subject=f"security groups: restore {removal.rule.id}?",
        text=(
            f"{_sentence(removal)}, and may be missed: {proposal.why}. It is not restored by itself, since anybody may"
            f" send such packets. To restore it:\n\n{_command(place, 'Proposal Approved', **decision)}"
            f"\n\nTo leave it:\n\n{_command(place, 'Proposal Rejected', **decision)}"
        ),
        is_warning=True,
    )


def returned(removal: Removal, why: str) -> Notice:
    """A rule that was removed, or is in quarantine, is there by others; `rule_id` says as which one."""
    rule = removal.rule
    return Notice(
        "Rule Returned",
        {**about(removal), "why": why, "returned_as": removal.rule_id},
        tuple(dict.fromkeys((rule.id, removal.rule_id, rule.group))),
        subject=f"security groups: {rule.id} is back",
        text=(
            f"{_named(rule)}{_owned(removal.owner)} was to be removed, and is back: {why}. Somebody or something"
            " needs it, so it is left alone from now on."
        ),
        is_warning=True,
    )


def unmanaged(removal: Removal, group: Group | None, place: Place) -> Notice:
    """A rule is in quarantine, and its group may not be written to any more."""
    rule = removal.rule
    return Notice(
        "Finding Reported",
        {
            "resource": rule.id,
            "code": "not managed",
            "text": (
                f"{rule.id} is {removal.state}, and {rule.group} has not the tag {TAG}={MANAGED} any more,"
                " so it can neither be revoked nor restored"
            ),
        },
        _resources(rule),
        subject=f"security groups: {rule.id} cannot be restored",
        text=(
            f"{_named(rule)} is {removal.state}, and {_group_name(rule, group)} is not tagged {TAG}={MANAGED} any more:"
            " Berthmaster may not write to it, neither to revoke the rule nor to restore it. To restore it, tag the"
            f" group:\n\naws ec2 create-tags --region {place.region} --resources {rule.group}"
            f" --tags Key={TAG},Value={MANAGED}\n\nand then:\n\n{_command(place, RESTORE_REQUESTED, rule=rule.id)}"
        ),
        is_warning=True,
    )


def removal_status(
    request: Request, removals: Sequence[Removal], *, group: str, mode: str, paused: str, frozen: str, most: int
) -> Notice:
    """The answer to Removal Status Requested: all that is open. most: of removals that are listed."""
    shown = removals[:most]
    lines = [f"- {_sentence(one)}{_next(one)}: {_why(one)}" for one in shown]
    if len(removals) > most:
        lines.append(f"and {len(removals) - most} more")
    obstacles = "".join(f" {one[:1].upper()}{one[1:]}." for one in (paused, frozen) if one)
    of_group = f" of {group}" if group else ""
    return Notice(
        "Removal Status",
        {
            "group": group,
            "mode": mode,
            "paused": paused,
            "frozen": frozen,
            "open": len(removals),
            "removals": [about(one) for one in shown],
            "by": request.by,
            "request_id": request.id,
        },
        (group,) if group else (),
        subject=f"security groups: {_rules(len(removals))}{of_group} being removed",
        text="\n".join(
            [f"{_rules(len(removals))}{of_group} are being removed. The mode is {mode}.{obstacles}", *lines]
        ),
    )


def _of_rule(candidate: Candidate) -> dict[str, Any]:
    rule = candidate.rule
    return {
        "rule": rule.id,
        "group": rule.group,
        "text": text_of(rule),
        "ground": candidate.ground,
        "why": candidate.why,
        "since": _iso(datetime.fromtimestamp(candidate.since, UTC)),
        "until": _iso(datetime.fromtimestamp(candidate.until, UTC)),
    }


def _why(removal: Removal) -> str:
    return removal.note or removal.candidate.why


def _sentence(removal: Removal) -> str:
    instead = f", with {peer_text(removal.inert)} for its peer" if removal.inert and _is_quarantined(removal) else ""
    return f"{_named(removal.rule)}{_owned(removal.owner)} is {removal.state}{instead}"


def _is_quarantined(removal: Removal) -> bool:
    return removal.state is RemovalState.QUARANTINED


def _next(removal: Removal) -> str:
    step = next_step(removal)
    return f" ({step}, not before {_minute(removal.due_at)})" if step else ""


def _named(rule: Rule) -> str:
    return f"{text_of(rule)} of {rule.group} ({rule.id})"


def _group_name(rule: Rule, group: Group | None) -> str:
    return f"{rule.group} ({group.name})" if group and group.name else rule.group


def _owned(owner: str) -> str:
    return f" (owner: {owner})" if owner else ""


def _rules(count: int) -> str:
    return f"{count} rule{'' if count == 1 else 's'}"


def _resources(rule: Rule) -> tuple[str, ...]:
    return rule.id, rule.group


def _command(place: Place, detail_type: str, **detail: Any) -> str:
    return command(place.bus, place.region, detail_type, **detail)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
