"""security_groups_track: what events say of interfaces, addresses and rules, between two surveys.

An address may belong to another task a minute later: a survey every five minutes would not see the first one at all.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import reduce

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import InvalidEvent
from berthmaster.modes import Mode
from berthmaster.security_groups.aws_events import Clue, read
from berthmaster.security_groups.ledger.origins import Origins
from berthmaster.security_groups.ledger.topology_store import TopologyStore
from berthmaster.security_groups.model.observations import Kind, Observation
from berthmaster.security_groups.observe.topology_aws import TopologyReader
from berthmaster.security_groups.settings import TrackSettings
from berthmaster.telemetry import logger


class Track:
    """What security_groups_track does with a batch of events, paused or not: it reads, and records what it saw."""

    def __init__(self, settings: TrackSettings, clients: Clients, clock: Clock) -> None:
        self._mode = settings.security_groups_mode
        self._clock = clock
        self._store = TopologyStore(clients.s3, settings.evidence_bucket)
        self._reader = TopologyReader(clients.ec2, clock)
        self._origins = Origins(clients.dynamodb, settings.security_groups_table)
        self._own_role = settings.security_groups_change_role

    def process(self, bodies: Mapping[str, str]) -> dict[str, Exception]:
        """Record what the events of a batch, by message id, show together; returns those that are invalid.

        Raises if EC2 cannot be read, or the bucket or the table not be written: the whole batch is delivered again.
        """
        if self._mode is Mode.OFF:
            logger.info("events dropped: the mode is off", messages=len(bodies))
            return {}
        clues, invalid = [], dict[str, Exception]()
        for message, body in bodies.items():
            try:
                clues.append(read(body))
            except InvalidEvent as error:
                invalid[message] = error
        clue = reduce(_joined, clues, Clue())
        begun = self._clock.now()
        observations = list(_absences(clue.absent))
        if clue.interfaces or clue.instances or clue.groups or clue.prefix_lists:
            observations.append(
                self._reader.of(
                    interfaces=clue.interfaces,
                    instances=clue.instances,
                    groups=clue.groups,
                    prefix_lists=clue.prefix_lists,
                )
            )
        if observations:
            self._store.put(observations, begun)
        # What Berthmaster restores was made by others first.
        self._origins.record(one for one in clue.made if one.caller != self._own_role)
        logger.info("events recorded", messages=len(bodies), invalid=len(invalid), observations=len(observations))
        return invalid


def _joined(one: Clue, other: Clue) -> Clue:
    return Clue(
        interfaces=one.interfaces | other.interfaces,
        instances=one.instances | other.instances,
        groups=one.groups | other.groups,
        prefix_lists=one.prefix_lists | other.prefix_lists,
        absent=one.absent | other.absent,
        made=one.made | other.made,
    )


def _absences(absent: Iterable[tuple[str, float]]) -> Iterable[Observation]:
    by_time: dict[float, set[str]] = defaultdict(set)
    for subject, time in absent:
        by_time[time].add(subject)
    for time, subjects in sorted(by_time.items()):
        yield Observation(kind=Kind.SIGHTING, begun=time, ended=time, gone=frozenset(subjects))
