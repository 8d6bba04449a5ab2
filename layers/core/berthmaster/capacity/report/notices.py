"""What capacity says: a log line, an event on the bus, and a message to people where they must know."""

from typing import Any

from berthmaster.bus import Bus, Event, Notifier
from berthmaster.capacity.ledger.expansions import Expansion, ExpansionState
from berthmaster.capacity.model import Cause
from berthmaster.capacity.report import text as report
from berthmaster.capacity.triggers import Decision, Shortage
from berthmaster.telemetry import logger

_EVENTS = {
    ExpansionState.REPORTED: "Expansion Reported",
    ExpansionState.IMPOSSIBLE: "Expansion Impossible",
    ExpansionState.PROPOSED: "Expansion Proposed",
    ExpansionState.DONE: "Expansion Completed",
    ExpansionState.FAILED: "Expansion Failed",
    ExpansionState.RETIRED: "Expansion Undone",
}
_REMEDIES = {
    Cause.ENI_SLOTS: "the container instances have no free attachment points for interfaces: turn on ENI trunking "
    "(awsvpcTrunking) or run more instances",
    Cause.THROTTLING: "EC2 throttled the call: it will be tried again; spread launches or ask for a higher rate",
    Cause.QUOTA: "a quota was reached: ask for a higher one",
    Cause.PERMISSION: "the caller may not create interfaces there: check its role and the sharing of the subnet",
    Cause.OTHER: "the event names no shortage of addresses",
}


class Announcer:
    """Speaks for one function."""

    def __init__(self, bus: Bus, notifier: Notifier, bus_name: str) -> None:
        self._bus = bus
        self._notifier = notifier
        self._bus_name = bus_name

    def announce(self, expansion: Expansion) -> None:
        """Tell machines and people where an expansion stands.

        Done before the state is saved: what is told twice after a crash does less harm than what is never told.
        """
        story = report.text(expansion, self._bus_name)
        self.say(_EVENTS[expansion.state], expansion, text=story)
        self._notifier.notify(report.subject(expansion), story)

    def say(self, detail_type: str, expansion: Expansion, **more: Any) -> None:
        """Tell machines only."""
        logger.info(detail_type.lower(), expansion=report.detail(expansion))
        self._bus.publish([Event(detail_type, {**report.detail(expansion), **more}, (expansion.vpc_id,))])

    def turn_down(self, decision: Decision, reason: str) -> None:
        """Answer an operator whose word was not followed."""
        what = f"{decision.expansion_id} was not {decision.verdict}"
        self._notifier.notify(
            f"Berthmaster: {what}", f"{what} at the word of {decision.by or 'an operator'}: {reason}."
        )

    def name_cause(self, shortage: Shortage) -> None:
        """Say what a failure is that more addresses would not cure."""
        detail = {
            "cause": shortage.cause,
            "told_by": shortage.told_by,
            "subnets": shortage.subnet_ids,
            "text": shortage.text,
            "remedy": _REMEDIES[shortage.cause],
        }
        logger.warning("not a shortage of addresses", shortage=detail)
        self._bus.publish([Event("Cause Named", detail, shortage.subnet_ids)])
