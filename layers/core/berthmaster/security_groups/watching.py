"""security_groups_watch: what flow logs reject while rules are being removed brings rules back.

Each object is read at once, whatever waits to be credited, and judged by what EC2 has now; what was recorded of the
past is only asked about interfaces and addresses that EC2 does not have any more. What follows is sent to
security_groups_change, which asks the ledger again: an object that is received twice changes nothing.
"""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import msgspec

from berthmaster import metrics
from berthmaster.arn import Arn
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.expiring import Expiring
from berthmaster.failures import Failures
from berthmaster.modes import Mode
from berthmaster.own_queue import OwnQueue
from berthmaster.security_groups.delivered_objects import DeliveredObjects
from berthmaster.security_groups.ledger.removals import Removals
from berthmaster.security_groups.ledger.topology_store import TopologyStore
from berthmaster.security_groups.model.findings import Finding
from berthmaster.security_groups.model.rejections import Choice, Judged, Suspect
from berthmaster.security_groups.model.removals import Removal
from berthmaster.security_groups.model.rules import TCP, UDP
from berthmaster.security_groups.model.topology import Topology, Vpc
from berthmaster.security_groups.observe import ec2_reads
from berthmaster.security_groups.observe.flow_formats import UnreadableFile
from berthmaster.security_groups.observe.objects import Gone, download
from berthmaster.security_groups.observe.rejected_records import Asked, read
from berthmaster.security_groups.observe.rejection_scene import read_scene, recalled
from berthmaster.security_groups.plan.completeness import SLOT
from berthmaster.security_groups.plan.log_objects import LogObject
from berthmaster.security_groups.plan.rejections import decided, judge
from berthmaster.security_groups.plan.suspects import LAG, Suspects, begun
from berthmaster.security_groups.restore_commands import (
    NO_PORT,
    PROPOSE_RESTORE,
    RESTORE_RULES,
    ProposeRestore,
    RejectedTraffic,
    RestoreRules,
    RuleKey,
)
from berthmaster.security_groups.settings import WatchSettings
from berthmaster.security_groups.watch_triggers import delivered
from berthmaster.telemetry import logger

MOST_BYTES = 200_000_000
"""Of an object. AWS writes files of at most 75 MB."""
MEMORY, THREADS = "1500MB", 2
"""Of DuckDB, within the memory of the function."""
WATCHED_FOR = timedelta(seconds=30)
"""How long the list of removals is kept: a record is delivered minutes after its packets."""
VPCS_KEPT_FOR = timedelta(minutes=5)
PROPOSED_FOR = timedelta(hours=1)
"""How long a proposal is not sent again by the same container: strangers knock every few minutes."""
ALL = "all"
AT_ONCE = timedelta()
AGAIN_AFTER = timedelta(minutes=1)
"""When a restore is sent once more: if security_groups_change dies, its message is hidden for 90 minutes."""


class Watching:
    """What security_groups_watch does with one message."""

    def __init__(self, settings: WatchSettings, clients: Clients, clock: Clock) -> None:
        place = Arn.parse(settings.topic_arn)
        self._clients = clients
        self._clock = clock
        self._mode = settings.security_groups_mode
        self._account = place.account
        self._removals = Removals(clients.dynamodb, settings.security_groups_table)
        self._topology = TopologyStore(clients.s3, settings.evidence_bucket)
        self._objects = DeliveredObjects(clients, clock, self._topology, place)
        self._change = OwnQueue(clients, clock, settings.security_groups_change_queue_url)
        self._watched = Expiring[list[Removal]]()
        self._vpcs = Expiring[Mapping[str, Vpc]]()
        self._proposed = Expiring[bool]()

    def handle(self, body: str) -> None:
        """Process one message; what is raised has it received again, and ends in the dead-letter queue."""
        given = delivered(body)
        if self._mode is Mode.OFF:
            logger.info("object not read", key=given.key, reason="the mode is off")
            return
        removals = self._watched_removals()
        if not removals:
            return
        found = self._objects.believed(given)
        if isinstance(found, Finding):
            # security_groups_credit reports it.
            logger.warning("object not read", bucket=given.bucket, key=given.key, reason=found.text)
            return
        removals = [one for one in removals if begun(one).timestamp() <= found.time + SLOT + LAG]
        if removals:
            self._watch(found, removals)

    def _watched_removals(self) -> list[Removal]:
        """The removals by which a rule may be missing."""
        now = self._clock.now()
        known = self._watched.get(ALL, now)
        if known is None:
            # One that cannot be read does not keep the others from being watched; security_groups_change raises it.
            watched = [one for one in self._removals.open(Failures()) if one.state.is_watched]
            known = self._watched.put(ALL, watched, now, WATCHED_FOR)
        return known

    def _watch(self, found: LogObject, removals: Sequence[Removal]) -> None:
        suspects = self._suspects(found, removals)
        judged = self._judged(suspects) if suspects else []
        chosen = decided(judged).values()
        for one in chosen:
            self._send(one, found)
        for reason, those in groupby(sorted(one.why for one in judged if one.choice is Choice.IGNORE)):
            logger.info("rejected packets ignored", reason=reason, records=len(list(those)))
        choices = [one.choice for one in chosen]
        logger.info("object watched", key=found.key, removals=len(removals), suspects=len(suspects))
        metrics.publish(
            {
                "RejectionsJudged": len(judged),
                "RestoresSent": choices.count(Choice.RESTORE),
                "RestoresProposed": choices.count(Choice.PROPOSE),
            }
        )

    def _suspects(self, found: LogObject, removals: Sequence[Removal]) -> list[Suspect]:
        """What the object says was rejected that these rules may have allowed."""
        if found.size > MOST_BYTES:
            logger.error("object not read", key=found.key, reason=f"it has {found.size:,} bytes")
            return []
        asked = [_asked(one) for one in removals]
        blocks = [block for vpc in self._known_vpcs().values() for block in vpc.cidrs]
        declared = self._objects.logs_of(found)[found.log].fields
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / found.file_name
            try:
                download(self._clients.s3, found, path)
                rejected = read(path, declared, asked, memory=MEMORY, threads=THREADS)
                return Suspects(removals, blocks, self._account).among(rejected)
            except (Gone, UnreadableFile) as error:
                # As above: whatever is wrong with a file is reported once.
                logger.warning("object not read", key=found.key, reason=str(error))
                return []

    def _judged(self, suspects: Sequence[Suspect]) -> list[Judged]:
        scene = read_scene(self._clients.ec2, suspects, self._known_vpcs(), self._account)
        judged = [judge(one, scene) for one in suspects]
        open_ones = [one.suspect for one in judged if one.is_open]
        if not open_ones:
            return judged
        scene = recalled(self._clients.ec2, open_ones, scene, self._recorded(open_ones))
        return [one for one in judged if not one.is_open] + [judge(one, scene) for one in open_ones]

    def _known_vpcs(self) -> Mapping[str, Vpc]:
        now = self._clock.now()
        known = self._vpcs.get(ALL, now)
        return known or self._vpcs.put(ALL, ec2_reads.vpcs(self._clients.ec2), now, VPCS_KEPT_FOR)

    def _recorded(self, suspects: Iterable[Suspect]) -> Topology:
        """The topology of the time of some records, as far as it is recorded by now."""
        times = [time for one in suspects for time in (one.rejected.first - LAG, one.rejected.last)]
        return self._topology.load(_at(min(times)), _at(max(times)))

    def _send(self, judged: Judged, found: LogObject) -> None:
        """Have security_groups_change do what follows for one removal."""
        rule = judged.suspect.removal.rule
        traffic = _traffic(judged.suspect, found)
        if judged.choice is Choice.RESTORE:
            command = RestoreRules(rules=(RuleKey(rule.group, rule.id),), why=judged.why, rejected=traffic)
            for delay in (AT_ONCE, AGAIN_AFTER):
                self._change.send(RESTORE_RULES, msgspec.to_builtins(command), delay)
        elif judged.choice is Choice.PROPOSE:
            key, now = judged.suspect.removal.sort_key, self._clock.now()
            if self._proposed.get(key, now):
                return
            proposal = ProposeRestore(group=rule.group, rule=rule.id, why=judged.why, rejected=traffic)
            self._change.send(PROPOSE_RESTORE, msgspec.to_builtins(proposal), AT_ONCE)
            self._proposed.put(key, True, now, PROPOSED_FOR)  # noqa: FBT003 - that it was
        else:
            return
        logger.info("rule to be restored", rule=rule.id, group=rule.group, choice=judged.choice, reason=judged.why)


def _asked(removal: Removal) -> Asked:
    rule = removal.rule
    return Asked(rule.direction, rule.protocol, rule.ports, begun(removal).timestamp() - LAG)


def _traffic(suspect: Suspect, found: LogObject) -> RejectedTraffic:
    rejected = suspect.rejected
    return RejectedTraffic(
        interface=rejected.interface,
        direction=suspect.direction.value,
        protocol=rejected.protocol,
        port=rejected.port if rejected.protocol in (TCP, UDP) else NO_PORT,
        peer=str(suspect.peers[-1]),
        at=rejected.last,
        file=f"s3://{found.bucket}/{found.key}",
    )


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
