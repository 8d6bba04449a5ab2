"""What becomes of rules that are removed, as notices."""

from berthmaster.notices import Notice
from berthmaster.security_groups.model.removals import Removal, RemovalState
from berthmaster.security_groups.plan.rule_text import text_of

TYPES = {
    RemovalState.ANNOUNCED: "Removal Announced",
    RemovalState.QUARANTINED: "Rule Quarantined",
    RemovalState.REVOKED: "Rule Revoked",
    RemovalState.CLOSED: "Removal Closed",
    RemovalState.RESTORED: "Rule Restored",
    RemovalState.WITHDRAWN: "Removal Withdrawn",
}


def changed(removal: Removal) -> Notice:
    """A removal has come into a state."""
    rule, why = removal.rule, removal.note or removal.candidate.why
    return Notice(
        TYPES[removal.state],
        {
            "rule": rule.id,
            "group": rule.group,
            "text": text_of(rule),
            "ground": removal.candidate.ground,
            "why": why,
            "owner": removal.owner,
            "due": removal.due_at.isoformat(timespec="seconds") if removal.state.is_open else None,
            "by": removal.by,
        },
        (rule.id, rule.group),
        subject=f"security groups: {rule.id} {removal.state}",
        text=f"{text_of(rule)} of {rule.group} ({rule.id}) is {removal.state}: {why}.",
        group=TYPES[removal.state],
    )
