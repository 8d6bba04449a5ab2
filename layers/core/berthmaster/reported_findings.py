"""What people were notified of, as records of the ledger, so that they are notified of each finding once.

known = findings.reported()
publish(known.unreported(found))
findings.save(known, found, is_complete=everything_was_looked_at)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from berthmaster.items import Items

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PARTITION = "findings"
MOST_REMEMBERED = 5_000
"""A DynamoDB item may have 400 KB."""


class Finding(Protocol):
    """Something about a resource that people should know. code: a short name of the problem. text: the problem."""

    @property
    def resource(self) -> str:
        """Its id, name or ARN."""

    @property
    def code(self) -> str:
        """As above."""

    @property
    def text(self) -> str:
        """As above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """The findings that there were at last. about: what was looked at. fingerprints: of the findings."""

    about: str
    fingerprints: frozenset[str] = frozenset()
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Of its item."""
        return self.about

    def unreported[F: Finding](self, found: Sequence[F]) -> list[F]:
        """The findings that people do not know yet, each once, but for those that could not be remembered."""
        new = _remembered({*self.fingerprints, *map(fingerprint, found)}) - self.fingerprints
        return [one for key, one in {fingerprint(one): one for one in found}.items() if key in new]


class Findings:
    """The findings about one kind of thing, such as the files of flow logs, in one account and Region."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, about: str) -> None:
        self._items = Items(dynamodb, table, PARTITION, Reported)
        self._about = about

    def reported(self) -> Reported:
        """What was reported and is not gone since."""
        return self._items.get(self._about) or Reported(about=self._about)

    def save(self, known: Reported, found: Iterable[Finding], *, is_complete: bool) -> None:
        """Remember what there is now; what is gone is reported again if it comes back.

        is_complete: whether everything was looked at, so that what was not found is gone. Conflict if another
        invocation has saved meanwhile.
        """
        fingerprints = _remembered([*map(fingerprint, found), *(() if is_complete else known.fingerprints)])
        if fingerprints != known.fingerprints:
            self._items.save(replace(known, fingerprints=fingerprints))


def fingerprint(finding: Finding) -> str:
    """What a finding is recognised by."""
    return sha256(f"{finding.resource} {finding.code}: {finding.text}".encode()).hexdigest()[:16]


def _remembered(fingerprints: Iterable[str]) -> frozenset[str]:
    return frozenset(sorted(set(fingerprints))[:MOST_REMEMBERED])
