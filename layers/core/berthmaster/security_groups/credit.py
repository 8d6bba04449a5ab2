"""security_groups_credit: each object that a flow log delivers becomes evidence, once.

An object is read when the topology is recorded up to its last record: who had an address then is asked of what was
recorded, never of what is there now. What cannot be read is reported and ends in the dead-letter queue, and nothing of
it is credited.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from berthmaster import metrics
from berthmaster.arn import Arn
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.deferral import Deferrals, Turn
from berthmaster.errors import BerthmasterError
from berthmaster.invocation import Invocation
from berthmaster.items import without_conflict
from berthmaster.lease import Leases
from berthmaster.modes import Mode
from berthmaster.notices import Notices
from berthmaster.own_queue import OwnQueue
from berthmaster.reported_findings import Findings
from berthmaster.security_groups.delivered_objects import BEFORE, DeliveredObjects
from berthmaster.security_groups.ledger.evidence_store import EvidenceStore
from berthmaster.security_groups.ledger.topology_store import TopologyStore
from berthmaster.security_groups.model.findings import Finding
from berthmaster.security_groups.model.sources import Evidence, Receipt
from berthmaster.security_groups.model.topology import Topology
from berthmaster.security_groups.observe import flow_files, flow_table
from berthmaster.security_groups.observe.flow_files import Reading
from berthmaster.security_groups.observe.flow_formats import UnreadableFile
from berthmaster.security_groups.observe.objects import Denied, Gone, download
from berthmaster.security_groups.plan.completeness import SLOT
from berthmaster.security_groups.plan.log_objects import LogObject
from berthmaster.security_groups.plan.matching import matched
from berthmaster.security_groups.plan.talks import talks
from berthmaster.security_groups.report.notices import findings_reported
from berthmaster.security_groups.settings import CreditSettings
from berthmaster.security_groups.triggers import Delivered, delivered
from berthmaster.telemetry import logger

LEAST_TIME = timedelta(seconds=150)
"""With less time left no object is begun; it waits for the next invocation."""
WITHOUT_TIME = timedelta(seconds=1)
MOST_BYTES = 1_000_000_000
"""Of an object. AWS writes files of at most 75 MB; /tmp has to hold it, and what DuckDB writes beside it."""
MEMORY, THREADS = "1500MB", 2
"""Of DuckDB, within the memory of the function."""
MOST_FLOWS = 1_000_000
"""Of an object: about 1 GB, beside what DuckDB has."""
LAG = 60
"""Seconds that a record may be off (AWS's description of its fields `start` and `end`)."""
TRIES = 5


class BrokenObject(BerthmasterError):
    """An object that nothing was credited of."""


class Credit:
    """What security_groups_credit does with one message."""

    def __init__(self, settings: CreditSettings, clients: Clients, clock: Clock) -> None:
        table = settings.security_groups_table
        self._clients = clients
        self._clock = clock
        self._mode = settings.security_groups_mode
        self._store = EvidenceStore(clients.s3, settings.evidence_bucket)
        self._topology = TopologyStore(clients.s3, settings.evidence_bucket)
        self._objects = DeliveredObjects(clients, clock, self._topology, Arn.parse(settings.topic_arn))
        self._findings = Findings(clients.dynamodb, table, "files")
        self._notices = Notices(clients, bus=settings.event_bus, topic_arn=settings.topic_arn)
        self._queue = OwnQueue(clients, clock, settings.security_groups_credit_queue_url)
        self._deferrals = Deferrals(Leases(clients.dynamodb, table), self._queue, clock)

    def handle(self, body: str, invocation: Invocation) -> None:
        """Process one message; what is raised has it received again, and ends in the dead-letter queue."""
        given = delivered(body)
        if self._mode is Mode.OFF:
            logger.info("object not read", key=given.key, reason="the mode is off")
            return
        found = self._believed(given)
        if found is None or self._store.has(found.day, found.name):
            return
        if invocation.time_left(self._clock.now()) < LEAST_TIME:
            # A message that failed would be received again only after the queue's visibility timeout.
            self._queue.defer(body, WITHOUT_TIME)
            return
        self._store.receive(found.day, found.name, _receipt(found))
        turn = self._deferrals.begin(body, invocation)
        if turn is not None and self._is_recorded(found.time + SLOT + LAG, turn):
            self._read(found, turn)

    def _believed(self, given: Delivered) -> LogObject | None:
        """The object, if it is what its key says."""
        found = self._objects.believed(given)
        if isinstance(found, Finding):
            self._decline(given, found)
            return None
        return found

    def _decline(self, given: Delivered, finding: Finding) -> None:
        logger.warning("object not read", bucket=given.bucket, key=given.key, reason=finding.text)
        metrics.publish({"FlowLogFilesDeclined": 1})
        self._report([finding])

    def _is_recorded(self, until: float, turn: Turn) -> bool:
        """Whether the topology is recorded up to then; if not, the message waits for that."""
        missing = until - self._topology.reaches(self._clock.now())
        if missing > 0:
            turn.defer(timedelta(seconds=max(30.0, missing)))
            return False
        return True

    def _read(self, found: LogObject, turn: Turn) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / found.file_name
            try:
                self._download(found, path)
            except Gone as error:
                logger.warning("object gone", bucket=found.bucket, key=found.key, error=str(error))
                self._give_up(found, "it was deleted before it was read")
                self._report([Finding(found.log, "files gone", f"files of it were deleted from {found.bucket} unread")])
                turn.end()
                return
            topology, reading = self._reading(found, path)
            last = max((one.last for one in reading.coverage), default=found.time)
            if not self._is_recorded(last + LAG, turn):
                return
            self._save(found, topology, reading, Path(folder) / "flows.parquet")
        turn.end()

    def _download(self, found: LogObject, path: Path) -> None:
        if found.size > MOST_BYTES:
            raise self._broken(found, f"it has {found.size:,} bytes, and {MOST_BYTES:,} can be read")
        try:
            download(self._clients.s3, found, path)
        except Denied as error:
            text = (
                f"{error.action} of its objects is refused, so no flow log in it is read; see docs/security-groups.md"
            )
            self._give_up(found, f"{error.action} is refused")
            self._report([Finding(found.bucket, "access denied", text)])
            raise

    def _reading(self, found: LogObject, path: Path) -> tuple[Topology, Reading]:
        """What the object says, and the topology of the time of its records."""
        since = found.time - BEFORE
        while True:
            topology = self._topology.load(_at(since), _at(found.time + 2 * SLOT))
            try:
                reading = flow_files.read([path], topology, memory=MEMORY, threads=THREADS, most_flows=MOST_FLOWS)
            except UnreadableFile as error:
                raise self._broken(found, str(error)) from error
            if reading.problems:
                raise self._broken(found, reading.problems[0].problem.replace(str(path), found.file_name))
            first = min((one.first for one in reading.coverage), default=found.time)
            if first - LAG >= since:
                return topology, reading
            since = first - LAG

    def _broken(self, found: LogObject, problem: str) -> BrokenObject:
        """Report a file of which nothing is credited; returns what to raise."""
        self._give_up(found, problem)
        where = f"s3://{found.bucket}/{found.key}"
        self._report([Finding(where, "broken file", f"nothing of it is credited: {problem}")])
        metrics.publish({"FlowLogFilesBroken": 1})
        return BrokenObject(f"{where}: {problem}")

    def _save(self, found: LogObject, topology: Topology, reading: Reading, path: Path) -> None:
        found_out = matched(reading.flows, topology)
        flow_table.write(reading.flows, path, memory=MEMORY, threads=THREADS)
        evidence = Evidence(
            sources=frozenset({found.name}),
            credits=found_out.credits,
            coverage={one.log: one for one in reading.coverage},
            talks=tuple(talks(reading.flows, topology)),
            allowed_by=found_out.allowed_by,
        )
        self._store.save(found.day, found.name, evidence, path.read_bytes())
        logger.info(
            "object credited",
            key=found.key,
            flows=len(reading.flows),
            rules=len(found_out.credits),
            topology=len(topology.rules),
        )
        metrics.publish(
            {
                "FlowLogFiles": 1,
                "FlowLogBytes": found.size,
                "SecondsBehind": max(0.0, self._clock.now().timestamp() - found.time - SLOT),
            }
        )

    def _give_up(self, found: LogObject, problem: str) -> None:
        """Record why an object is not read: whatever it shows, rules of its log are not called unused."""
        self._store.receive(found.day, found.name, replace(_receipt(found), problem=problem))

    def _report(self, findings: Sequence[Finding]) -> None:
        """Report what was not reported before."""

        def attempt() -> None:
            known = self._findings.reported()
            if new := known.unreported(findings):
                self._notices.publish(findings_reported(new))
                self._findings.save(known, new, is_complete=False)

        without_conflict(attempt, tries=TRIES)


def _receipt(found: LogObject) -> Receipt:
    return Receipt(log=found.log, time=found.time, file=found.file_name)


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
