"""What became of an expansion: saved first, then published.

People and rules act on an event about an expansion, so the ledger must know by then what the event says. The record
notes that its event is still to be published, for the next run about the VPC if this one dies.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.capacity.context import ExpandContext
from berthmaster.capacity.ledger.expansions import Expansion, by_expansion, found_by_tags
from berthmaster.capacity.model.vpc import Association, Subnet
from berthmaster.capacity.report import notices
from berthmaster.notices import NotPublished
from berthmaster.telemetry import logger


class Outcomes:
    """Saves and publishes outcomes."""

    def __init__(self, context: ExpandContext) -> None:
        self._context = context
        self._expansions = context.expansions

    def conclude(self, expansion: Expansion) -> None:
        """Save an expansion in a state that is reported, and publish the event about it."""
        self._publish(self._expansions.save(replace(expansion, unpublished=True)))

    def publish_pending(self, expansions: Iterable[Expansion]) -> list[Expansion]:
        """Publish what runs that died have saved only; returns all expansions as they are saved then.

        What cannot be published stands in the way of nothing: it stays unpublished, and the watch reports that. Nor
        does what people cannot be notified of, and it is not published again.
        """
        return [self._published_if_possible(one) if one.is_unreported else one for one in expansions]

    def record_found(
        self,
        vpc_id: str,
        subnets: Iterable[Subnet],
        associations: Iterable[Association],
        expansions: Sequence[Expansion],
    ) -> list[Expansion]:
        """Record and report expansions that only the tags of the VPC's subnets show; returns all expansions.

        The ledger was lost, or is another one since Berthmaster was deployed again. A block in which several of them
        have subnets belongs to the oldest.
        """
        known = {one.id for one in expansions}
        lost = {one: own for one, own in by_expansion(vpc_id, subnets).items() if one not in known}
        blocks, owned = tuple(associations), {one.association_id for one in expansions}
        recorded = []
        for one, own in sorted(lost.items()):
            found = found_by_tags(one, own, blocks, owned)
            owned.add(found.association_id)
            recorded.append(self._expansions.save(replace(found, unpublished=True)))
        return [*self.publish_pending(recorded), *expansions]

    def _published_if_possible(self, expansion: Expansion) -> Expansion:
        try:
            return self._publish(expansion)
        except (NotPublished, BotoCoreError, ClientError) as error:
            logger.error("outcome not published", expansion=expansion.id, state=expansion.state, error=str(error))
            return expansion

    def _publish(self, expansion: Expansion) -> Expansion:
        bus, region = self._context.settings.event_bus, self._context.clients.region
        notice = notices.outcome(expansion, bus, region)
        report = self._context.notices.publish if expansion.unpublished else self._context.notices.notify
        not_sent = report([notice])
        return self._expansions.save(replace(expansion, unpublished=False, unnotified=bool(not_sent)))
