"""Object versions become files of the ledger, each once, whether their event comes or a listing finds them.

A file is written first, and then all versions of its key are read: of two invocations that write two versions at once,
at least one sees both. So in the end only the newest one is live, or has a result; and a file whose invocation dies in
between is settled when its message is received again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from berthmaster.batch.ledger.files import Files
from berthmaster.batch.model.backfills import ListedVersion
from berthmaster.batch.model.files import File, State
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.observe.objects import version_id_of
from berthmaster.batch.plan.identity import file_id, key_id
from berthmaster.batch.plan.intake import received, same_object, settled, vanished
from berthmaster.batch.plan.sweep import LISTED_AFTER
from berthmaster.batch.plan.versions import forgettable, newest
from berthmaster.batch.triggers import ObjectCreated, ObjectDeleted
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import BerthmasterError, MissingEvidence
from berthmaster.items import Conflict, without_conflict
from berthmaster.modes import Mode
from berthmaster.telemetry import logger

_SKEW = timedelta(minutes=1)
ROUNDS = 6
"""How often all versions of a key are read again because another invocation has written one meanwhile."""


class IdTaken(BerthmasterError):
    """Two different object versions have one id: neither is the other's copy."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """file: as the ledger has it. is_new: whether it did not know the version before."""

    file: File
    is_new: bool


class Arrivals:
    """Receives what is new in the input buckets."""

    def __init__(self, clients: Clients, clock: Clock, files: Files, mode: Mode) -> None:
        self._clients = clients
        self._clock = clock
        self._files = files
        self._mode = mode

    def created(self, created: ObjectCreated, pipeline: Pipeline) -> Arrival:
        """An event says that there is a new version."""
        now = self._clock.now()
        file = File(
            id=file_id(
                created.bucket,
                created.key,
                version_id=created.version_id,
                etag=created.etag,
                sequencer=created.sequencer,
            ),
            pipeline=pipeline.name,
            bucket=created.bucket,
            key=created.key,
            version_id=created.version_id,
            etag=created.etag,
            size=created.size or 0,
            sequencer=created.sequencer,
            created_at=created.at,
            received_at=now,
            state=State.WAITING,
            since=now,
            due=now,
        )
        may_be_listed = now - created.at > LISTED_AFTER - _SKEW
        return self._receive(file, is_empty=created.size == 0, may_be_listed=may_be_listed)

    def listed(
        self, pipeline: Pipeline, *, bucket: str, key: str, etag: str, size: int, listed_at: datetime
    ) -> Arrival | None:
        """A listing that began at `listed_at` has an object; None if the ledger knows it, or it has changed since.

        It is known if the newest version has its ETag. Only if not, HeadObject is called, for its version id.
        """
        etag = etag.strip('"')
        latest = newest(self._files.versions(pipeline.name, key_id(bucket, key)))
        if latest is not None and latest.etag == etag:
            return None
        version_id = version_id_of(self._clients.s3, bucket, key, etag)
        if version_id is None:
            return None
        # Two listings that find it name it alike; its event would name it by a sequencer, which is not known yet.
        place = f"listed after {latest.id if latest else 'nothing'}"
        now = self._clock.now()
        file = File(
            id=file_id(bucket, key, version_id=version_id, etag=etag, sequencer=place),
            pipeline=pipeline.name,
            bucket=bucket,
            key=key,
            version_id=version_id,
            etag=etag,
            size=size,
            created_at=listed_at,
            received_at=now,
            state=State.WAITING,
            since=now,
            due=now,
        )
        return self._receive(file, is_empty=size == 0, may_be_listed=False)

    def backfilled(
        self, pipeline: Pipeline, found: ListedVersion, *, identifier: str, listed_at: datetime
    ) -> File | None:
        """A backfill has an object that the ledger does not know; None if it does by now.

        The versions of its key are not read: whoever asks for many finds out together which keys had others meanwhile,
        and has those settled.
        """
        now = self._clock.now()
        file = File(
            id=identifier,
            pipeline=pipeline.name,
            bucket=pipeline.input.bucket,
            key=found.key,
            version_id=found.version_id,
            etag=found.etag,
            size=found.size,
            created_at=listed_at,
            received_at=now,
            state=State.WAITING,
            since=now,
            due=now,
            is_behind=True,
        )
        try:
            return self._files.save(file)
        except Conflict:
            return None

    def deleted(self, deleted: ObjectDeleted, pipeline: Pipeline) -> list[File]:
        """An event says that an object is gone; returns the files that do not wait any more for that."""

        def gone() -> list[File]:
            found = vanished(
                self._files.versions(pipeline.name, key_id(deleted.bucket, deleted.key)),
                version_id=deleted.version_id,
                sequencer=deleted.sequencer,
                at=deleted.at,
                now=self._clock.now(),
            )
            return [self._files.save(one) for one in found]

        return without_conflict(gone, tries=ROUNDS)

    def _receive(self, file: File, *, is_empty: bool, may_be_listed: bool) -> Arrival:
        first = received(file, is_empty=is_empty, mode=self._mode)
        is_new = False
        if not (may_be_listed and same_object(self._versions(file), file)):
            try:
                self._files.save(first)
                is_new = True
            except Conflict:
                logger.info("object version known already", file=file.id)
        return Arrival(self.settle(file), is_new)

    def settle(self, file: File) -> File:
        """Of all versions of a file's key, let the newest one alone be live; returns the file as it is then."""
        return without_conflict(lambda: self._settle(file), tries=ROUNDS)

    def _settle(self, file: File) -> File:
        """Write what follows from the versions of a file's key; returns the file as it is then."""
        versions = self._versions(file)
        known = same_object(versions, file)
        if known is None:
            raise MissingEvidence(f"file {file.id} was written, and is not there")
        for one in settled(versions, file, self._clock.now()):
            saved = self._files.save(one)
            if saved.state is State.SUPERSEDED:
                logger.info("file superseded", file=saved.id, reason=saved.reason)
            if saved.id == known.id:
                known = saved
        self._forget(versions)
        return known

    def _forget(self, versions: list[File]) -> None:
        """Have old versions of a key expire; what fails is tried again when the next version comes."""
        for one in forgettable(versions, self._clock.now()):
            try:
                self._files.save(one)
            except Exception as error:  # noqa: BLE001 - the file that has come is received all the same
                logger.warning("old version not forgotten", file=one.id, error=repr(error))

    def _versions(self, file: File) -> list[File]:
        """All versions of a file's key; IdTaken if one of them is not, or another version has its id."""
        versions = self._files.versions(file.pipeline, file.id)
        for one in versions:
            if (one.bucket, one.key) != (file.bucket, file.key) or (
                one.id == file.id and (one.version_id, one.etag) != (file.version_id, file.etag)
            ):
                raise IdTaken(f"{file.bucket}/{file.key} has the id {file.id}, which {one.bucket}/{one.key} has too")
        return versions
