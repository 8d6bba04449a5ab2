"""What people were notified of, per destination, and what the last run found there, as records of the ledger."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from berthmaster import items
from berthmaster.items import Items, Unreadable
from berthmaster.requests import LONG_AGO
from berthmaster.targets.model import DestinationStatus, Finding
from berthmaster.targets.plan.reconciliation import Survey
from berthmaster.targets.plan.waits import Wait
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PARTITION = "status"
REWRITTEN_AFTER = timedelta(minutes=2)
"""A status that has not changed is written again after this time, since events do not trust old ones."""
MOST_REPORTED = 2_000
"""Findings that are remembered per destination: a DynamoDB item may have 400 KB."""
MOST_WAITING = 1_000
UNWATCHED_AFTER = timedelta(hours=1)
"""As after a stack was deleted, and deployed again with its table."""
FORGOTTEN_AFTER = timedelta(hours=1)
"""A finding is reported again if no run found it for so long: a run may skip what another invocation works on."""
MOST_ROOM = 200
"""More room than one batch of events can fill makes no difference."""


class DestinationStatuses:
    """The statuses of all destinations of one account and Region."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._items = Items(dynamodb, table, PARTITION, DestinationStatus)

    def all(self) -> dict[str, DestinationStatus]:
        """All of them, by the ARN of the destination."""
        return {status.destination: status for status in self._items.query(decode=decoded)}

    def save(self, known: DestinationStatus | None, new: DestinationStatus) -> None:
        """Save a status if it differs from the known one or if that is old."""
        if known is not None:
            is_old = new.checked_at - known.checked_at >= REWRITTEN_AFTER
            if not is_old and new == replace(known, checked_at=new.checked_at):
                return
        self._items.save(new)


def decoded(item: Mapping[str, Any]) -> DestinationStatus:
    """The status of an item. One that is damaged says only that the destination may have been unmanaged.

    The next run that looks at the destination writes it again.
    """
    try:
        return items.decoded(item, DestinationStatus)
    except Unreadable as error:
        logger.error("status not read", error=repr(error))
        return DestinationStatus(
            destination=item["sk"]["S"],
            shared=True,
            room=None,
            checked_at=LONG_AGO,
            unmanaged=True,
            version=int(item.get("version", {}).get("N", 0)),
        )


def unreported(known: DestinationStatus | None, findings: Iterable[Finding]) -> list[Finding]:
    """The findings that people were not notified of, each once."""
    reported = known.reported if known else frozenset()
    by_fingerprint = {fingerprint(one): one for one in findings}
    return [one for known_by, one in by_fingerprint.items() if known_by not in reported]


def waiting_since(known: DestinationStatus | None, waiting: Collection[Wait], now: datetime) -> dict[str, datetime]:
    """Since when each of these waits, by its text."""
    since = known.waiting_since if known else {}
    return {text: since.get(text, now) for text in sorted(map(str, waiting))[:MOST_WAITING]}


def status_of(
    destination: str,
    known: DestinationStatus | None,
    survey: Survey | None,
    findings: Iterable[Finding],
    *,
    waiting: Mapping[str, datetime],
    now: datetime,
) -> DestinationStatus:
    """The status of a destination after a run, if people are notified of all findings.

    survey: None if it failed. waiting: what waits, and since when.
    """
    found = frozenset(fingerprint(one) for one in findings)
    old = known or DestinationStatus(destination=destination, shared=True, room=None, checked_at=now)
    if survey is None:
        # What could not be looked at keeps what is known of it.
        unfound = {one: since for one, since in old.unfound_since.items() if one not in found}
        return replace(old, reported=old.reported | found, unfound_since=unfound, waiting_since=waiting)
    unfound = _unfound(old, found, now)
    return replace(
        old,
        shared=survey.is_shared,
        room=None if survey.room is None else min(survey.room, MOST_ROOM),
        checked_at=now,
        reported=found | unfound.keys(),
        unfound_since=unfound,
        waiting_since=waiting,
        unmanaged=False,
    )


def was_unmanaged(known: DestinationStatus | None, now: datetime, *, resumed_at: datetime) -> bool:
    """Whether a destination had no tags, or nobody looked at it, since it was looked at last.

    resumed_at: when an operator last let targets resume: during a pause it is Berthmaster's all the same.
    """
    return known is not None and (known.unmanaged or now - max(known.checked_at, resumed_at) >= UNWATCHED_AFTER)


def _unfound(old: DestinationStatus, found: Collection[str], now: datetime) -> dict[str, datetime]:
    """The earlier findings that this run did not find and that are still remembered, and since when; newest last."""
    since = {one: old.unfound_since.get(one, now) for one in old.reported if one not in found}
    kept = sorted((at, one) for one, at in since.items() if now - at < FORGOTTEN_AFTER)
    return {one: at for at, one in kept[-MOST_REPORTED:]}


def fingerprint(finding: Finding) -> str:
    """What a finding is recognised by."""
    return sha256(f"{finding.code}: {finding.topic or finding.text}".encode()).hexdigest()[:16]
