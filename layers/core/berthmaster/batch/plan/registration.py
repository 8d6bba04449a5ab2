"""How the record of a pipeline follows its parameter, whatever order the news comes in."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.batch.model.pipelines import Parameter, Pipeline, PipelineRecord, Problem

RECHECKED_AFTER = timedelta(seconds=50)
"""What is refused may become right without a change of its parameter: a bucket is made, another pipeline is changed."""


def is_due(record: PipelineRecord, parameter: Parameter, now: datetime) -> bool:
    """Whether a parameter, as it was read, is to be checked.

    An answer that is older than one before is not: it is out of date.
    """
    if parameter.modified < record.newest_modified:
        return False
    if not is_known(record, parameter):
        return True
    if record.refused:
        return now - record.checked_at >= RECHECKED_AFTER
    return record.pipeline is None


def is_known(record: PipelineRecord, parameter: Parameter) -> bool:
    """Whether this version was checked before; a number alone does not say, since it begins again with 1."""
    return (record.newest_version, record.newest_modified) == (parameter.version, parameter.modified)


def accepted(
    record: PipelineRecord, parameter: Parameter, pipeline: Pipeline, warnings: Iterable[Problem], now: datetime
) -> PipelineRecord:
    """It comes into force, with a version that no pipeline of this name has had."""
    version = max(parameter.version, record.highest + 1)
    return replace(
        record,
        pipeline=replace(pipeline, version=version),
        parameter_version=parameter.version,
        document=parameter.text,
        warnings=tuple(warnings),
        since=now,
        highest=version,
        newest_version=parameter.version,
        newest_modified=parameter.modified,
        refused=(),
        checked_at=now,
        unreported=True,
    )


def refused(record: PipelineRecord, parameter: Parameter, problems: Iterable[Problem], now: datetime) -> PipelineRecord:
    """What was in force stays so; that is reported once for each version and reason."""
    reasons = tuple(problems)
    is_news = reasons != record.refused or not is_known(record, parameter)
    return replace(
        record,
        newest_version=parameter.version,
        newest_modified=parameter.modified,
        refused=reasons,
        checked_at=now,
        unreported=record.unreported or is_news,
    )


def removed(record: PipelineRecord, now: datetime) -> PipelineRecord:
    """Its parameter was deleted: nothing is in force any more. Nothing changes if nothing was known of it."""
    if record.pipeline is None and not record.refused:
        return record
    return replace(
        record,
        pipeline=None,
        parameter_version=0,
        document="",
        warnings=(),
        refused=(),
        since=now,
        unreported=True,
    )
