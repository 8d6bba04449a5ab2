"""What people were notified of, per destination, and what the last run found there, as records of the ledger."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from berthmaster.items import Items
from berthmaster.targets.model import ClaimState, DestinationStatus, Finding
from berthmaster.targets.plan.reconciliation import Survey

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PARTITION = "status"
REWRITTEN_AFTER = timedelta(minutes=2)
"""A status that has not changed is written again after this time, since events do not trust old ones."""
MOST_REPORTED = 2_000
"""Findings that are remembered per destination: a DynamoDB item may have 400 KB."""
MOST_ROOM = 200
"""More room than one batch of events can fill makes no difference."""


class DestinationStatuses:
    """The statuses of all destinations of one account and Region."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._items = Items(dynamodb, table, PARTITION, DestinationStatus)

    def all(self) -> dict[str, DestinationStatus]:
        """All of them, by the ARN of the destination."""
        return {status.destination: status for status in self._items.query()}

    def save(self, known: DestinationStatus | None, new: DestinationStatus) -> None:
        """Save a status if it differs from the known one or if that is old."""
        if known is not None:
            is_old = new.checked_at - known.checked_at >= REWRITTEN_AFTER
            if not is_old and new == replace(known, checked_at=new.checked_at):
                return
        self._items.save(new)


def unreported(known: DestinationStatus | None, findings: Iterable[Finding]) -> list[Finding]:
    """The findings that people were not notified of, each once."""
    reported = known.reported if known else frozenset()
    return [one for one in dict.fromkeys(findings) if fingerprint(one) not in reported]


def status_of(
    destination: str,
    known: DestinationStatus | None,
    survey: Survey | None,
    findings: Iterable[Finding],
    now: datetime,
) -> DestinationStatus:
    """The status of a destination after a run, if people are notified of all findings; survey: None if it failed."""
    reported = frozenset(fingerprint(one) for one in findings)
    version = known.version if known else 0
    if survey is None:
        # What could not be looked at keeps what is known of it.
        old = known or DestinationStatus(destination=destination, shared=True, room=None, checked_at=now)
        return replace(old, reported=reported or old.reported, version=version)
    is_refused = any(claim.state is ClaimState.REFUSED for claim in survey.claims.values())
    if known and is_refused and len(known.reported) < MOST_REPORTED:
        # What AWS refused is tried again, and found again, only now and then.
        reported |= known.reported
    return DestinationStatus(
        destination=destination,
        shared=survey.is_shared,
        room=None if survey.room is None else min(survey.room, MOST_ROOM),
        checked_at=now,
        reported=reported,
        version=version,
    )


def fingerprint(finding: Finding) -> str:
    """What a finding is recognised by."""
    return sha256(f"{finding.code}: {finding.text}".encode()).hexdigest()[:16]
