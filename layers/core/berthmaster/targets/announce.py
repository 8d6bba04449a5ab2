"""What targets says: a log line and an event on the bus per change; a message to people where they must know."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from berthmaster.bus import Bus, Event, Notifier
from berthmaster.targets.changes import SHOWN, Change, State, in_words
from berthmaster.targets.model import Call, Destination, Finding, Move
from berthmaster.telemetry import logger

_CALLS = {Call.REGISTER: "Targets Registered", Call.DEREGISTER: "Targets Deregistered"}
_CHANGES = {State.REPORTED: "Change Reported", State.PROPOSED: "Change Proposed"}
TARGETS_PER_EVENT = 500
"""An entry of PutEvents has room for 256 KB."""


class Announcer:
    """Speaks for one function."""

    def __init__(self, bus: Bus, notifier: Notifier, bus_name: str) -> None:
        self._bus = bus
        self._notifier = notifier
        self._bus_name = bus_name

    def changed(self, moves: Iterable[Move]) -> None:
        """Tell machines what was done, one event per destination and kind of call."""
        found: dict[tuple[str, Call], list[Move]] = defaultdict(list)
        for move in moves:
            if move.call is not None:
                found[move.after.key.destination, move.call].append(move)
        self._bus.publish(
            [
                Event(
                    _CALLS[call],
                    {"destination": arn, "targets": _targets(group[start : start + TARGETS_PER_EVENT])},
                    (arn,),
                )
                for (arn, call), group in found.items()
                for start in range(0, len(group), TARGETS_PER_EVENT)
            ]
        )

    def would(self, moves: Sequence[Move]) -> None:
        """Say what would be done, were it allowed."""
        if moves:
            logger.info("would change", targets=_targets(moves))

    def found(self, findings: Sequence[Finding]) -> None:
        """Tell machines and people what they should know about destinations."""
        for one in findings:
            logger.warning("finding", finding={"destination": one.destination, "code": one.code, "text": one.text})
        self._bus.publish(
            [
                Event(
                    "Finding", {"destination": one.destination, "code": one.code, "text": one.text}, (one.destination,)
                )
                for one in findings
            ]
        )
        if findings:
            lines = [f"{one.destination}\n  {one.code}: {one.text}" for one in findings[:SHOWN]]
            if len(findings) > SHOWN:
                lines.append(f"and {len(findings) - SHOWN} more")
            text = "\n".join(lines)
            subject = findings[0].code if len(findings) == 1 else f"{len(findings)} findings"
            self._notifier.notify(f"Berthmaster targets: {subject}", text)

    def asked(self, change: Change, destination: Destination) -> None:
        """Tell machines and people of a change that is not made, or not yet.

        Done before it is saved: what is told twice after a crash does less harm than what is never told.
        """
        story = in_words(change, destination.name, self._bus_name)
        detail = {
            "change": change.id,
            "destination": change.destination,
            "fingerprint": change.fingerprint,
            "reason": change.reason,
            "steps": [
                {"call": step.call, "ip": step.ip, "port": step.port, "owner": step.owner}
                for step in change.steps[:TARGETS_PER_EVENT]
            ],
            "text": story,
        }
        logger.warning(_CHANGES[change.state].lower(), change=change.id, reason=change.reason, steps=len(change.steps))
        self._bus.publish([Event(_CHANGES[change.state], detail, (change.destination,))])
        self._notifier.notify(f"Berthmaster targets: {_CHANGES[change.state].lower()} for {destination.name}", story)

    def stopped(self, owners: Sequence[str], by: Mapping[str, str] | None = None) -> None:
        """Tell machines that drained tasks were told to stop."""
        for owner in owners:
            logger.info("task drained", task=owner)
        self._bus.publish([Event("Task Drained", {"task": owner, **(by or {})}, (owner,)) for owner in owners])


def _targets(moves: Iterable[Move]) -> list[dict[str, Any]]:
    return [
        {
            "ip": move.after.key.ip,
            "port": move.after.key.port,
            "owner": move.after.former or move.after.owner if move.call is Call.DEREGISTER else move.after.owner,
            "reason": move.reason,
        }
        for move in moves
    ]
