"""The answers to Rule Status Requested, from the newest report."""

from typing import Any

import msgspec

from berthmaster.notices import Notice
from berthmaster.requests import refused
from berthmaster.security_groups.model.removals import Removal
from berthmaster.security_groups.plan.rule_text import text_of
from berthmaster.security_groups.report.removal_words import next_step, why
from berthmaster.security_groups.report_triggers import REPORT_REQUESTED, StatusRequest


def rule_status(request: StatusRequest, evidence: bytes | None, removal: Removal | None) -> Notice:
    """What is said of a rule. evidence: evidence.json of the newest report, None if there is none."""
    if evidence is None:
        return refused(request, f"no report was written yet: there is one a day, and one by {REPORT_REQUESTED}")
    found = msgspec.json.decode(evidence)
    window, rule = found["window"], found["rules"].get(request.rule)
    if rule is None:
        text = f"the newest report, whose window ends at {window['until']}, has no such rule"
        if removal:
            return refused(request, f"{text}. {_removal(removal)}")
        return refused(request, f"{text}; if it is newer, send {REPORT_REQUESTED}")
    covers = [one for one in found["redundant"] if one["rule"] == request.rule]
    covered_by = covers[0]["covered_by"] if covers else []
    return Notice(
        "Rule Status",
        {
            "rule": request.rule,
            **rule,
            "covered_by": covered_by,
            "removal": removal.state.value if removal else "",
            "since": window["since"],
            "until": window["until"],
            "by": request.by,
            "request_id": request.id,
        },
        (request.rule, rule["group"]),
        subject=f"{request.rule} is {rule['verdict']}",
        text=_text(request.rule, rule, window, covered_by) + (f"\n\n{_removal(removal)}" if removal else ""),
    )


def _text(id_: str, rule: dict[str, Any], window: dict[str, str], covered_by: list[str]) -> str:
    seen = ""
    if rule["last"]:
        peers, ports = ", ".join(rule["peers"][:10]), ", ".join(rule["ports"][:10])
        seen = f"\n\nIt was seen from {rule['first']} to {rule['last']}, with {peers}"
        seen += f" on ports {ports}." if ports else "."
    cover = f"\n\nIt is redundant: {', '.join(covered_by)} allow all that it allows." if covered_by else ""
    return (
        f"The rule {id_} of {rule['group']} is {rule['verdict']}, from {window['since']} to {window['until']}:"
        f" {rule['why']}. Records: {rule['conversations']} of conversations, {rule['possible']} possible,"
        f" {rule['knocks']} unanswered; {rule['exclusive']} that no other rule allowed.{seen}{cover}"
    )


def _removal(removal: Removal) -> str:
    """As one paragraph."""
    step = next_step(removal)
    comes = f" Next, not before {removal.due_at:%Y-%m-%d %H:%M} UTC: {step}." if step else ""
    return (
        f"Its removal was announced at {removal.announced_at:%Y-%m-%d %H:%M} UTC, when it was"
        f" {text_of(removal.rule)}; it is {removal.state} since {removal.changed_at:%Y-%m-%d %H:%M} UTC:"
        f" {why(removal)}.{comes}"
    )
