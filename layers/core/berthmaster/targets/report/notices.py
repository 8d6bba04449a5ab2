"""What targets says: a log line and an event on the bus per change; a message to people where they must know."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from berthmaster.bus import Bus, Event, Notifier, Untold
from berthmaster.targets.ledger.changes import SHOWN, Change, ChangeState, in_words
from berthmaster.targets.model import Call, Destination, Finding, Move
from berthmaster.targets.report import metrics as measures
from berthmaster.telemetry import logger

_CALLS = {Call.REGISTER: "Targets Registered", Call.DEREGISTER: "Targets Deregistered"}
_CHANGES = {ChangeState.REPORTED: "Change Reported", ChangeState.PROPOSED: "Change Proposed"}
TARGETS_PER_EVENT = 400
"""An event has room for 256 KB."""


class Announcer:
    """Tells what was done, to machines. Untold is raised when that is lost to the bus, and has been logged instead."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def changed(self, moves: Iterable[Move]) -> None:
        """Tell of calls that AWS answered, one event per destination and kind of call."""
        found: dict[tuple[str, Call], list[Move]] = defaultdict(list)
        for move in moves:
            if move.call is not None:
                found[move.after.key.destination, move.call].append(move)
        self._tell(
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

    def stopped(self, owners: Sequence[str]) -> None:
        """Tell of drained tasks that were told to stop."""
        for owner in owners:
            logger.info("task drained", task=owner)
        self._tell([Event("Task Drained", {"task": owner}, (owner,)) for owner in owners])

    def _tell(self, events: Sequence[Event]) -> None:
        """What was done is done: another try would have nothing left to tell."""
        try:
            self._bus.publish(events)
        except Untold as untold:
            told = [{"detail_type": event.detail_type, "detail": event.detail} for event in untold.events]
            logger.error("could not be told", error=str(untold), events=told)
            measures.publish({"Untold": len(told)})
            raise


class Reporter:
    """Tells machines and people what is found, and asks about changes. What could not be told can be told again."""

    def __init__(self, bus: Bus, notifier: Notifier, bus_name: str) -> None:
        self._bus = bus
        self._notifier = notifier
        self._bus_name = bus_name

    def found(self, findings: Sequence[Finding]) -> None:
        """Tell what people should know about destinations."""
        log_findings(findings)
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
        """Tell of a change that is not made, or not yet.

        Done before it is saved: what is told twice after a crash does less harm than what is never told.
        """
        story = in_words(change, destination.name, self._bus_name)
        detail = {
            "change": change.id,
            "destination": change.destination,
            "fingerprint": change.fingerprint,
            "reason": change.reason,
            "steps": [
                {"call": step.call, "ip": step.ip, "port": step.port, "owner": step.owner} for step in change.steps
            ],
            "text": story,
        }
        logger.warning(_CHANGES[change.state].lower(), change=change.id, reason=change.reason, steps=len(change.steps))
        self._bus.publish([Event(_CHANGES[change.state], detail, (change.destination,))])
        self._notifier.notify(f"Berthmaster targets: {_CHANGES[change.state].lower()} for {destination.name}", story)


def log_findings(findings: Iterable[Finding]) -> None:
    """One line for each."""
    for one in findings:
        logger.warning("finding", destination=one.destination, code=one.code, text=one.text)


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
