"""What the evidence of the window says of the rules that are there now: what reports and removals begin with."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from berthmaster.security_groups.folding import Folding
from berthmaster.security_groups.ledger.evidence_store import EvidenceStore
from berthmaster.security_groups.ledger.topology_store import TopologyStore
from berthmaster.security_groups.plan.completeness import SLOT
from berthmaster.security_groups.plan.earlier_peers import EarlierPeers
from berthmaster.security_groups.plan.window import Judgement, judged

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from berthmaster.security_groups.model.rules import Network

DELIVERED_AFTER = timedelta(hours=1)
"""The window ends so long ago: AWS delivers within some ten minutes, and not always."""
DAY = timedelta(days=1)
KEPT_DAYS = 400
"""For so long the bucket keeps evidence."""


class Judging:
    """Reads what the window says. window: whole days begin at midnight, other windows just then."""

    def __init__(self, s3: "S3Client", bucket: str, window: timedelta) -> None:
        self._window = window
        self._evidence = EvidenceStore(s3, bucket)
        self._topology = TopologyStore(s3, bucket)

    def read(self, now: datetime, may_go_on: Callable[[], bool], *, watched_since: datetime | None = None) -> Judgement:
        """All evidence that there is by now. NoTime if may_go_on said no; what was read is folded by then.

        watched_since: since when it is to be known what logs cover, if that is before the window.
        """
        since, until = self._bounds(now)
        earliest = min(since, watched_since or since)
        folding = Folding(self._evidence, may_go_on)
        evidence = folding.evidence(earliest.date(), now.date())
        unread = folding.unread(evidence.sources, earliest, until)
        return judged(
            self._topology.load(earliest, now),
            evidence,
            unread,
            since=since.timestamp(),
            until=until.timestamp(),
            written=now.timestamp(),
        )

    def earlier_peers(
        self, rules: Collection[str], now: datetime, may_go_on: Callable[[], bool]
    ) -> Mapping[str, tuple["Network", ...]]:
        """With whom conversations were certainly held under some rules, in all that is stored: by rule.

        NoTime if may_go_on said no.
        """
        folding, found = Folding(self._evidence, may_go_on), EarlierPeers(rules)
        last = now.date()
        for evidence in folding.folded(last - timedelta(days=KEPT_DAYS), last):
            found.add(evidence)
        return found.peers()

    def _bounds(self, now: datetime) -> tuple[datetime, datetime]:
        """Of the window; its end is one of files."""
        delivered = now - min(DELIVERED_AFTER, self._window / 24)
        until = datetime.fromtimestamp(delivered.timestamp() // SLOT * SLOT, UTC)
        since = until - self._window
        return (since if self._window % DAY else _midnight(since.date())), until


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
