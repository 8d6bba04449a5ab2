"""What became of an expansion: saved first, then published.

People and rules act on an event about an expansion, so the ledger must know by then what the event says. The record
notes that its event is still to be published, for the next run about the VPC if this one dies.
"""

from collections.abc import Iterable
from dataclasses import replace

from berthmaster.capacity.context import ExpandContext
from berthmaster.capacity.ledger.expansions import Expansion
from berthmaster.capacity.report import notices


class Outcomes:
    """Saves and publishes outcomes."""

    def __init__(self, context: ExpandContext) -> None:
        self._context = context

    def conclude(self, expansion: Expansion) -> None:
        """Save an expansion in a state that is reported, and publish the event about it."""
        self._publish(self._context.expansions.save(replace(expansion, unpublished=True)))

    def publish_pending(self, expansions: Iterable[Expansion]) -> list[Expansion]:
        """Publish what runs that died have saved only; returns all expansions as they are saved then."""
        return [self._publish(one) if one.unpublished else one for one in expansions]

    def _publish(self, expansion: Expansion) -> Expansion:
        bus, region = self._context.settings.event_bus, self._context.clients.region
        self._context.notices.publish([notices.outcome(expansion, bus, region)])
        return self._context.expansions.save(replace(expansion, unpublished=False))
