"""What the window says, read from a bucket: just as far back as it reaches, and all that there is by now."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest

from berthmaster.security_groups.folding import NoTime
from berthmaster.security_groups.judgement import Judging
from berthmaster.security_groups.ledger.evidence_store import EvidenceStore
from berthmaster.security_groups.ledger.topology_store import TopologyStore
from berthmaster.security_groups.model.evidence import Credits, Seen, Verdict
from berthmaster.security_groups.model.flows import Coverage
from berthmaster.security_groups.model.observations import Kind, Observation
from berthmaster.security_groups.model.sources import AllowedBy, Evidence, Receipt
from berthmaster.security_groups.model.topology import FlowLog, Interface
from berthmaster.security_groups.plan.completeness import SLOT
from simulator.cloud import Cloud
from tests.support.security_groups.judgements import group
from tests.support.security_groups.small_universe import tcp

NOW = datetime(2026, 11, 27, 12, 30, tzinfo=UTC)
BUCKET = "evidence"
USED, UNUSED = "sgr-0a1b2c3d4e5f60718", "sgr-0e5f60718293a4b5c"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def always() -> bool:
    return True


@dataclass
class Recorded:
    """A bucket with what was recorded of ten days of one interface, in which nothing was used."""

    cloud: Cloud
    names: list[str] = field(default_factory=list)

    def use(self, at: datetime, *peers: str) -> None:
        """A file with a use of the rule that is used at times; without peers, of nothing."""
        day, time, name = at.replace(hour=0, minute=0), at.timestamp(), f"fl-1-{len(self.names)}"
        seen = Seen(records=1, first=time, last=time, peers=frozenset(map(ip_network, peers)), ports=frozenset())
        slots = range(int(day.timestamp()) // SLOT, int((day + DAY).timestamp()) // SLOT)
        evidence = Evidence(
            sources=frozenset({name}),
            credits={USED: Credits(conversations=seen)} if peers else {},
            coverage={"fl-1": Coverage(log="fl-1", first=day.timestamp(), last=time, slots=frozenset(slots))},
            allowed_by=(AllowedBy(certain=frozenset({USED}), possible=frozenset(), records=1, last=time),)
            if peers
            else (),
        )
        self.names.append(name)
        EvidenceStore(self.cloud.client("s3"), BUCKET).save(f"{at:%Y-%m-%d}", name, evidence, b"")

    def verdicts(self, window: timedelta) -> dict[str, Verdict]:
        """What is said of each rule."""
        return {one.rule.id: one.verdict for one in self.judging(window).read(NOW, always).rules}

    def judging(self, window: timedelta) -> Judging:
        """What reads the bucket."""
        return Judging(self.cloud.client("s3"), BUCKET, window)


@contextmanager
def recorded() -> Iterator[Recorded]:
    with Cloud() as cloud:
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": cloud.region})
        begun = NOW - 10 * DAY
        rules = [tcp(USED, "10.0.0.0/8"), tcp(UNUSED, "172.16.0.0/12")]
        seen = {
            one.id: one
            for one in (
                *rules,
                group(),
                Interface(id="eni-0a1b2c3d4e5f60718", vpc="vpc-a", groups=("sg-a",)),
                FlowLog(id="fl-1", resource="vpc-a"),
            )
        }
        for day in range(11):
            at = begun + day * DAY
            survey = Observation(kind=Kind.SURVEY, begun=at.timestamp(), ended=at.timestamp(), seen=seen)
            TopologyStore(s3, BUCKET).put([survey], at)
        found = Recorded(cloud)
        for day in range(11):
            found.use(begun + day * DAY)
        yield found


def test_a_window_of_whole_days_begins_at_midnight_and_another_one_just_then() -> None:
    with recorded() as bucket:
        bucket.use(datetime(2026, 11, 25, 6, 0, tzinfo=UTC), "10.0.0.1")
        assert bucket.verdicts(2 * DAY) == {USED: Verdict.USED, UNUSED: Verdict.UNUSED}
        assert bucket.verdicts(DAY) == {USED: Verdict.UNUSED, UNUSED: Verdict.UNUSED}
        found = bucket.judging(2 * DAY - HOUR).read(NOW, always)
        assert [one.verdict for one in found.rules] == [Verdict.UNUSED, Verdict.UNUSED]
        assert found.evidence.allowed_by == ()
        assert bucket.verdicts(2 * DAY + 6 * HOUR) == {USED: Verdict.USED, UNUSED: Verdict.UNUSED}


def test_what_was_delivered_since_the_window_ended_counts() -> None:
    with recorded() as bucket:
        assert bucket.verdicts(DAY)[USED] is Verdict.UNUSED
        bucket.use(NOW - timedelta(minutes=10), "10.0.0.1")
        assert bucket.verdicts(DAY)[USED] is Verdict.USED


def test_nothing_is_unused_while_a_file_of_the_window_is_not_read() -> None:
    with recorded() as bucket:
        receipt = Receipt(log="fl-1", time=(NOW - 3 * HOUR).timestamp(), file="one.log.gz")
        EvidenceStore(bucket.cloud.client("s3"), BUCKET).receive(f"{NOW:%Y-%m-%d}", "fl-1-waiting", receipt)
        assert set(bucket.verdicts(DAY).values()) == {Verdict.UNKNOWN}
        assert set(bucket.verdicts(timedelta(hours=2)).values()) == {Verdict.UNUSED}


def test_what_logs_cover_is_known_from_before_the_window_while_a_rule_is_watched_for_longer() -> None:
    with recorded() as bucket:
        bucket.use(NOW - 3 * DAY, "10.0.0.1")
        since = NOW - 4 * DAY
        for watched_since, is_known in ((None, False), (since, True)):
            found = bucket.judging(DAY).read(NOW, always, watched_since=watched_since)
            doubts = found.completeness.from_then_on(since.timestamp()).doubts(found.rules[0].rule)
            assert (doubts == ()) is is_known
            assert [one.verdict for one in found.rules] == [Verdict.UNUSED, Verdict.UNUSED]


def test_without_time_nothing_is_said() -> None:
    with recorded() as bucket, pytest.raises(NoTime):
        bucket.judging(DAY).read(NOW, lambda: False)


def test_earlier_peers_are_those_of_all_that_is_stored() -> None:
    with recorded() as bucket:
        bucket.use(NOW - 9 * DAY, "10.0.0.1")
        bucket.use(NOW, "10.0.0.9")
        judging = bucket.judging(20 * DAY)
        judging.read(NOW, always)
        found = judging.earlier_peers([USED, UNUSED], NOW, always)
        assert found == {USED: (ip_network("10.0.0.1/32"), ip_network("10.0.0.9/32")), UNUSED: ()}
        with pytest.raises(NoTime):
            judging.earlier_peers([USED], NOW, lambda: False)
