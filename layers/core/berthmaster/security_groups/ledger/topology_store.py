"""The recorded topology, in the application's bucket.

    topology/2026-11-27/064431123-survey-<hash>.json.gz      all there was: first of each day, or after what is lost
    topology/2026-11-27/064931123-changes-<hash>.json.gz     what a poll found different from the poll before
    topology/2026-11-27/065002417-sighting-<hash>.json.gz    what events showed
    topology/2026-11-27/060000000-folded-<hash>.json.gz      changes and sightings of an hour, by their own names

The name holds when reading began, in UTC, and a hash of the content: written twice, it is the same object.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from itertools import count, takewhile
from typing import TYPE_CHECKING

from berthmaster.concurrently import concurrently
from berthmaster.security_groups.ledger.topology_codec import DamagedRecord, decoded, encoded
from berthmaster.security_groups.model.observations import Kind, Observation, Subject
from berthmaster.security_groups.model.topology import Topology
from berthmaster.security_groups.plan.topology_changes import state_at, topology_of
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX = "topology/"
FOLDED = "folded"
AT_ONCE = 8
LOOKED_BACK = timedelta(hours=26)
"""How far before a window the complete survey may be on which it is based: there is one a day."""
LATE = timedelta(hours=1)
"""How long after it happened something may be recorded and still be looked for; events arrive late."""
HOUR = timedelta(hours=1)
FOLDED_AFTER = timedelta(minutes=10)
"""How long after its end an hour is folded; what comes later stays as it is."""
_NAME = re.compile(rf"{PREFIX}(\d{{4}}-\d\d-\d\d)/(\d{{9}})-([a-z]+)-[0-9a-f]+\.json\.gz")

type Recorded = dict[str, tuple[Observation, ...]]


@dataclass(frozen=True, slots=True)
class Survey:
    """The survey that is recorded as `name`, with everything there was by then."""

    name: str
    begun: float
    state: Mapping[str, Subject]


@dataclass(frozen=True, slots=True, order=True)
class _Object:
    at: datetime
    name: str
    kind: str

    @property
    def is_survey(self) -> bool:
        return self.kind in {Kind.SURVEY, Kind.CHANGES}


class TopologyStore:
    """Writes observations, and reads what they amount to. Objects never change, so those read last are kept."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._known: dict[str, Recorded] = {}
        self._loaded: tuple[tuple[str, ...], Topology] = ((), Topology())

    def put(self, observations: Sequence[Observation], at: datetime) -> str:
        """Record observations of one kind that were made at that time; returns the name of the object."""
        return self._put(at, observations[0].kind, encoded({"": observations}))

    def reaches(self, now: datetime) -> float:
        """When the newest poll began, in seconds since the epoch; 0 if there was none within a day.

        What ended before is recorded, as far as polls and the events that have arrived show it.
        """
        for back in (HOUR, LOOKED_BACK):
            polls = [one for one in self._objects(now - back, now + HOUR) if one.is_survey]
            if polls:
                return polls[-1].at.timestamp()
        return 0.0

    def newest(self, now: datetime) -> Survey | None:
        """The newest survey with its state; None if there is none within a day, or it cannot be read."""
        objects = self._objects(now - LOOKED_BACK, now + HOUR)
        polls = [one for one in objects if one.is_survey]
        complete = max((one.at for one in polls if one.kind == Kind.SURVEY), default=None)
        if complete is None:
            return None
        recorded = self._read([one for one in objects if one.at >= complete - HOUR and one.kind != Kind.SIGHTING])
        name = polls[-1].name
        state = state_at(recorded, name)
        if name not in recorded or not state:
            return None
        return Survey(name, recorded[name][0].begun, state)

    def load(self, since: datetime, until: datetime) -> Topology:
        """The topology over that time; a span's `since` is when its subject was first seen, if not before the window.

        Objects that are damaged are left out, and logged: what they held is then unknown.
        """
        objects = self._objects(since - LOOKED_BACK, until + LATE)
        # Before the first survey, events are all there is.
        base = max((one.at for one in objects if one.kind == Kind.SURVEY and one.at <= since), default=since)
        wanted = [one for one in objects if one.at >= (base - HOUR if one.kind == FOLDED else base)]
        names = tuple(one.name for one in wanted)
        if names != self._loaded[0]:
            self._loaded = names, topology_of(self._read(wanted))
        return self._loaded[1]

    def fold(self, now: datetime) -> None:
        """Make one object of the newest hour that is complete, so that a long window is read with few requests."""
        hour = (now - HOUR - FOLDED_AFTER).replace(minute=0, second=0, microsecond=0)
        objects = self._list(f"{PREFIX}{hour:%Y-%m-%d}/{hour:%H}")
        parts = [one for one in objects if one.kind in {Kind.CHANGES, Kind.SIGHTING}]
        if len(parts) > 1 and FOLDED not in {one.kind for one in objects}:
            recorded = self._read(parts, keep=False)
            if len(recorded) == len(parts):
                self._put(hour, FOLDED, encoded(recorded))

    def _put(self, at: datetime, kind: str, body: bytes) -> str:
        time = f"{at:%H%M%S}{at.microsecond // 1000:03}"
        name = f"{PREFIX}{at:%Y-%m-%d}/{time}-{kind}-{sha256(body).hexdigest()[:12]}.json.gz"
        self._s3.put_object(Bucket=self._bucket, Key=name, Body=body, ContentType="application/gzip")
        return name

    def _objects(self, since: datetime, until: datetime) -> list[_Object]:
        """What is recorded, in order of time; of hours, those that end after `since`."""
        first = since.date()
        days = takewhile(lambda day: day <= until.date(), (first + timedelta(days=number) for number in count()))
        found = concurrently(self._of_day, days, at_once=AT_ONCE)
        return sorted(one for day in found for one in day.result if since - HOUR <= one.at <= until)

    def _of_day(self, day: date) -> list[_Object]:
        return self._list(f"{PREFIX}{day:%Y-%m-%d}/")

    def _list(self, prefix: str) -> list[_Object]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        names = (one["Key"] for page in pages for one in page.get("Contents", []))
        return [one for name in names for one in _parsed(name)]

    def _read(self, objects: Sequence[_Object], *, keep: bool = True) -> Recorded:
        """The observations in these objects, and in those that are folded into some of them."""
        kept: dict[str, Recorded] = {}
        self._add(kept, [one.name for one in objects if one.kind == FOLDED])
        inside = {name for found in kept.values() for name in found}
        self._add(kept, [one.name for one in objects if one.kind != FOLDED and one.name not in inside])
        if keep:
            self._known = kept
        return {name: found for one in kept.values() for name, found in one.items()}

    def _add(self, kept: dict[str, Recorded], names: Collection[str]) -> None:
        kept |= {name: self._known[name] for name in names if name in self._known}
        for outcome in concurrently(self._get, [name for name in names if name not in kept], at_once=AT_ONCE):
            if isinstance(outcome.error, DamagedRecord):
                logger.error("recorded topology not read", error=str(outcome.error))
                continue
            kept[outcome.item] = outcome.result

    def _get(self, name: str) -> Recorded:
        return decoded(name, self._s3.get_object(Bucket=self._bucket, Key=name)["Body"].read())


def _parsed(name: str) -> Iterable[_Object]:
    if found := _NAME.fullmatch(name):
        day, time, kind = found.groups()
        at = datetime.strptime(f"{day} {time}000 +0000", "%Y-%m-%d %H%M%S%f %z")
        yield _Object(at, name, kind)
