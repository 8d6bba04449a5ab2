"""Proposals: an item each.

pk proposal   sk <id>
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from berthmaster.batch.model.proposals import Proposal
from berthmaster.errors import MissingEvidence
from berthmaster.items import Conflict, Items

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEPT_FOR = timedelta(days=60)
"""After it was made: whoever decides later is answered that there is no such proposal."""


class Proposals:
    """The proposals of a ledger table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._items = Items(dynamodb, table, "proposal", Proposal)

    def get(self, identifier: str) -> Proposal | None:
        """One proposal, read consistently; None if there is none."""
        return self._items.get(identifier)

    def make(self, proposal: Proposal) -> Proposal:
        """Write a proposal unless there is one with its id; returns what is there."""
        try:
            return self.save(proposal)
        except Conflict:
            found = self.get(proposal.id)
            if found is None:
                raise MissingEvidence(f"the proposal {proposal.id} was there, and is not any more") from None
            return found

    def save(self, proposal: Proposal) -> Proposal:
        """Write a proposal; Conflict if another invocation has written it since it was read."""
        return self._items.save(proposal, expires=proposal.made_at + KEPT_FOR)
