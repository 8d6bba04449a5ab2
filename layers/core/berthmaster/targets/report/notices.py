"""What targets reports: pure functions that return notices."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import batched
from typing import Any

from berthmaster.approval import fingerprint
from berthmaster.arn import Arn
from berthmaster.notices import Notice
from berthmaster.targets.model import Call, Finding, Move
from berthmaster.targets.plan.changes import Change, ChangeState

_CALLS = {Call.REGISTER: "Targets Registered", Call.DEREGISTER: "Targets Deregistered"}
TARGETS_PER_EVENT = 400
"""An event may have 256 KB."""
SHOWN = 20
"""Steps or findings that a message to people lists."""


def targets_changed(moves: Iterable[Move]) -> list[Notice]:
    """The calls that AWS has answered: one notice per destination and kind of call."""
    found: dict[tuple[str, Call], list[Move]] = defaultdict(list)
    for move in moves:
        if move.call is not None:
            found[move.after.key.destination, move.call].append(move)
    return [
        Notice(_CALLS[call], {"destination": arn, "targets": described(some)}, (arn,))
        for (arn, call), group in found.items()
        for some in batched(group, TARGETS_PER_EVENT, strict=False)
    ]


def described(moves: Iterable[Move]) -> list[dict[str, Any]]:
    """The targets that moves are about, as data for an event or a log line."""
    return [
        {
            "ip": move.after.key.ip,
            "port": move.after.key.port,
            "owner": move.after.former or move.after.owner if move.call is Call.DEREGISTER else move.after.owner,
            "reason": move.reason,
        }
        for move in moves
    ]


def tasks_drained(tasks: Iterable[str]) -> list[Notice]:
    """The tasks that have drained and were stopped, as an operator requested."""
    return [
        Notice(
            "Task Drained",
            {"task": task},
            (task,),
            subject=f"drained and stopped: {_task_name(task)}",
            text=f"{task} is deregistered everywhere, has drained, and was stopped.",
            group="tasks drained and stopped",
        )
        for task in tasks
    ]


def drains_stalled(tasks: Mapping[str, Exception]) -> list[Notice]:
    """The tasks that have drained and that ECS does not stop, with its errors."""
    return [
        Notice(
            "Drain Stalled",
            {"task": task, "reason": str(error)},
            (task,),
            subject=f"cannot stop {_task_name(task)}",
            text=f"{task} is deregistered everywhere and has drained, but it could not be stopped: {error}. "
            "It is tried again; you may stop it yourself.",
            is_warning=True,
            group="tasks that cannot be stopped",
        )
        for task, error in tasks.items()
    ]


def _task_name(task: str) -> str:
    """The cluster and the id of a task."""
    return f"task {'/'.join(Arn.parse(task).path[1:])}"


def findings_reported(findings: Sequence[Finding]) -> list[Notice]:
    """One notice per finding; people get one message that lists all of them, with the first notice."""
    notices = [
        Notice(
            "Finding Reported",
            {"destination": one.destination, "code": one.code, "text": one.text},
            (one.destination,),
            is_warning=True,
        )
        for one in findings
    ]
    if not notices:
        return []
    lines = [f"{_name(one)}: {one.destination}\n  {one.code}: {one.text}" for one in findings[:SHOWN]]
    if len(findings) > SHOWN:
        lines.append(f"and {len(findings) - SHOWN} more")
    what = findings[0].code if len(findings) == 1 else f"{len(findings)} findings"
    subject = f"{what} of {', '.join(dict.fromkeys(map(_name, findings)))}"
    return [replace(notices[0], subject=f"targets: {subject}", text="\n".join(lines)), *notices[1:]]


def _name(finding: Finding) -> str:
    """The name of a target group, or the id of a Cloud Map service."""
    return Arn.parse(finding.destination).path[1]


def change_announced(change: Change, approve: str, reject: str = "") -> Notice:
    """A change that is not carried out, or not yet; approve, reject: the commands that decide on a proposal."""
    is_proposal = change.state is ChangeState.PROPOSED
    text = _text(change, approve, reject) if is_proposal else _text(change)
    detail = {
        "proposal" if is_proposal else "change": change.id,
        "destination": change.destination,
        "fingerprint": fingerprint(change.steps),
        "reason": change.reason,
        "steps": [{"call": step.call, "ip": step.ip, "port": step.port, "owner": step.owner} for step in change.steps],
    }
    return Notice(
        "Change Proposed" if is_proposal else "Change Reported",
        detail,
        (change.destination,),
        subject=f"targets: change {change.state} for {change.destination_name}",
        text=text,
        is_warning=True,
    )


def _text(change: Change, approve: str = "", reject: str = "") -> str:
    lines = [f"{change.destination_name} ({change.destination})", "", change.reason, ""]
    lines += [f"  {step.call} {step.ip}:{step.port} of {step.owner}" for step in change.steps[:SHOWN]]
    if len(change.steps) > SHOWN:
        lines.append(f"  and {len(change.steps) - SHOWN} more")
    if approve:
        lines += [
            "",
            "To decide",
            "",
            "To approve it, within a day:",
            "",
            f"  {approve}",
            "",
            "To reject it, so that it is not proposed again for a day:",
            "",
            f"  {reject}",
        ]
    return "\n".join(lines)
