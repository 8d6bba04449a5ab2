"""Proposals: an item each.

pk proposal   sk <id>
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from berthmaster.items import Items
from berthmaster.security_groups.model.removals import Proposal

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from berthmaster.failures import Failures

KEPT_FOR = timedelta(days=90)
"""After it was made: whoever decides later is answered that there is no such proposal."""


class Proposals:
    """The proposals of a ledger table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._items = Items(dynamodb, table, "proposal", Proposal)

    def get(self, identifier: str) -> Proposal | None:
        """One proposal, read consistently; None if there is none."""
        return self._items.get(identifier)

    def all(self, failures: "Failures | None" = None) -> list[Proposal]:
        """Every proposal, decided or not; of items that cannot be read, see `Items.query`."""
        return self._items.query(failures=failures)

    def of(self, subject: str) -> list[Proposal]:
        """Those about one group or one rule."""
        return self._items.query(prefix=f"security_groups.{subject}.")

    def save(self, proposal: Proposal) -> Proposal:
        """Write a proposal; Conflict if another invocation has written it since it was read."""
        return self._items.save(proposal, expires=proposal.made_at + KEPT_FOR)
