"""The registry: which pipelines are in force, and every version that ever was.

pk pipeline           sk <name>            what is in force, and what was last read of the parameter
pk pipeline version   sk <name> <version>  one version, for launches that were begun with it; never changed, and kept:
                                           a document has some hundred bytes, and a file may wait for very long
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from berthmaster.batch.model.pipelines import Pipeline, PipelineRecord
from berthmaster.clock import Clock
from berthmaster.errors import MissingEvidence
from berthmaster.expiring import Expiring
from berthmaster.failures import Failures
from berthmaster.items import Items

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LIFETIME = timedelta(seconds=30)
"""How long a container goes on with the pipelines that it has read."""
_ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineVersion:
    """One version of a pipeline, as a record."""

    pipeline: Pipeline
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Of its item."""
        return self.pipeline.sort_key


class Pipelines:
    """The pipelines of one account and Region."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Clock) -> None:
        self._clock = clock
        self._records = Items(dynamodb, table, "pipeline", PipelineRecord)
        self._versions = Items(dynamodb, table, "pipeline version", PipelineVersion)
        self._in_force: Expiring[Mapping[str, Pipeline]] = Expiring()
        self._known: dict[str, Pipeline] = {}

    def in_force(self) -> Mapping[str, Pipeline]:
        """The pipelines in force by name, as they were at most 30 seconds ago.

        Unreadable if one of them is: without it, its files would seem to belong to no pipeline.
        """
        now = self._clock.now()
        cached = self._in_force.get(_ALL, now)
        if cached is not None:
            return cached
        found = {one.name: one.pipeline for one in self.records() if one.pipeline}
        return self._in_force.put(_ALL, found, now, LIFETIME)

    def version(self, name: str, version: int) -> Pipeline:
        """One version, in force or not; MissingEvidence if there is no record of it."""
        sort_key = f"{name} {version}"
        if sort_key not in self._known:
            record = self._versions.get(sort_key)
            if record is None:
                raise MissingEvidence(f"there is no record of version {version} of the pipeline {name}")
            self._known[sort_key] = record.pipeline
        return self._known[sort_key]

    def versions(self) -> list[Pipeline]:
        """All versions that ever were in force."""
        return [one.pipeline for one in self._versions.query()]

    def records(self, failures: Failures | None = None) -> list[PipelineRecord]:
        """All records, read consistently, also of pipelines that are not in force.

        Unreadable for one that is; with `failures`, it is added to those, and the others are returned.
        """
        return self._records.query(failures=failures)

    def get(self, name: str) -> PipelineRecord | None:
        """The record of one name, read consistently; None if there is none."""
        return self._records.get(name)

    def save(self, record: PipelineRecord) -> PipelineRecord:
        """Write a record; Conflict if another invocation has written it since it was read.

        What is in force has its own item before, so that a launch never refers to a version that is not there.
        """
        if record.pipeline:
            self._keep(record.pipeline)
        self._in_force.forget(_ALL)
        return self._records.save(record)

    def _keep(self, pipeline: Pipeline) -> None:
        """A version that was written, and whose record then was not, has never been in force: it is written over."""
        kept = self._versions.get(pipeline.sort_key)
        if kept is None or kept.pipeline != pipeline:
            self._versions.save(PipelineVersion(pipeline=pipeline, version=kept.version if kept else 0))
