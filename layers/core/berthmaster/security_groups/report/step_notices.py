"""What the state of a removal says, as the notice that is published for it."""

from collections.abc import Sequence

from berthmaster.notices import Notice
from berthmaster.security_groups.model.place import Place
from berthmaster.security_groups.model.removals import Removal, RemovalState
from berthmaster.security_groups.plan.rule_text import text_of
from berthmaster.security_groups.report.removal_notices import about, changed, returned
from berthmaster.security_groups.report.restore_command import restore_command


def notice_of(removal: Removal, place: Place) -> Notice | None:
    """The notice of a removal that is unpublished; None if its state has none. place: for commands."""
    match removal.state:
        case RemovalState.QUARANTINED if removal.is_direct:
            return _quarantine_skipped(removal)
        case RemovalState.WITHDRAWN if removal.rule_id:
            return returned(removal, removal.note)
        case RemovalState.RESTORING if removal.problem:
            return _restore_failed(removal, place)
        case RemovalState.PROPOSED:
            return None
        case state if state.is_intent:
            return None
        case _:
            return changed(removal, place)


def group_attached(group: str, removals: Sequence[Removal]) -> Notice:
    """An interface carries one of our empty groups. removals: of rules that name it."""
    rules = [one.rule.id for one in removals]
    listed = "\n".join(f"- {one.rule.id} of {one.rule.group}: {text_of(one.rule)}" for one in removals)
    return Notice(
        "Quarantine Group Attached",
        {"group": group, "rules": rules},
        (group, *rules),
        subject=f"security groups: {group} is attached to an interface",
        text=(
            f"{group} is Berthmaster's: rules in quarantine name it, so nothing may carry it, and an interface does."
            f" Detach it. Until then these rules let that interface in; they are being restored:\n\n{listed}"
        ),
        is_warning=True,
    )


def _quarantine_skipped(removal: Removal) -> Notice:
    rule = removal.rule
    return Notice(
        "Quarantine Skipped",
        about(removal),
        (rule.id, rule.group),
        subject=f"security groups: {rule.id} cannot be quarantined",
        text=(
            f"{_named(removal)} cannot be quarantined in place: {removal.note}. It stays as it is until"
            f" {removal.due_at:%Y-%m-%d %H:%M} UTC, and is then revoked and watched."
        ),
        group="Quarantine Skipped",
    )


def _restore_failed(removal: Removal, place: Place) -> Notice:
    rule, command = removal.rule, restore_command(removal, place.region)
    return Notice(
        "Restore Failed",
        about(removal) | {"problem": removal.problem, "command": command},
        (rule.id, rule.group),
        subject=f"security groups: {rule.id} could not be restored",
        text=(
            f"{_named(removal)} is to be restored, since {removal.note or removal.candidate.why}, and could not be:"
            f" {removal.problem}. It is tried again every five minutes. To restore it yourself:\n\n"
            f"{command}"
        ),
        is_warning=True,
    )


def _named(removal: Removal) -> str:
    owner = f" (owner: {removal.owner})" if removal.owner else ""
    return f"{text_of(removal.rule)} of {removal.rule.group} ({removal.rule.id}){owner}"
