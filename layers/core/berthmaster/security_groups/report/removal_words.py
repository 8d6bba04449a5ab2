"""The removal of a rule in words: how far it is, and what comes next."""

from berthmaster.security_groups.model.removals import Removal, RemovalState
from berthmaster.security_groups.plan.rule_text import peer_text

_NEXT = {
    RemovalState.ANNOUNCED: "it is proposed, or quarantined in mode enforce",
    RemovalState.PROPOSED: "an operator decides",
    RemovalState.APPROVED: "it is quarantined",
    RemovalState.QUARANTINED: "it is revoked",
    RemovalState.REVOKING: "it is revoked",
    RemovalState.REVOKED: "it is watched no longer",
    RemovalState.RESTORING: "it is restored",
}


def next_step(removal: Removal) -> str:
    """What happens to the rule next, if nothing speaks against it; empty if nothing is left to be done."""
    if removal.is_direct and removal.state is RemovalState.APPROVED:
        return "it is revoked: it cannot be changed in place"
    return _NEXT.get(removal.state, "")


def why(removal: Removal) -> str:
    """Why the rule may go, and why its removal is where it is."""
    return "; ".join(part for part in (removal.candidate.why, removal.note) if part)


def standing(removal: Removal) -> str:
    """Beside the verdict of its rule: the state, since when, and the peer that the rule has lost for now."""
    since = f"removal: {removal.state} since {removal.changed_at:%Y-%m-%d %H:%M}"
    return f"{since}, instead of {peer_text(removal.rule.peer)}" if removal.state is RemovalState.QUARANTINED else since
