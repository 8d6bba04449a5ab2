"""What is reported about pipelines: that one is in force, that a document was refused, that one was removed."""

from collections.abc import Iterable
from typing import Any

from berthmaster.batch.model.pipelines import PARAMETERS, Pipeline, PipelineRecord, Problem
from berthmaster.notices import Notice


def notice_of(record: PipelineRecord) -> Notice:
    """What is new in a record."""
    if record.refused:
        return _refused(record)
    if record.pipeline is None:
        return _removed(record)
    return _accepted(record, record.pipeline)


def _accepted(record: PipelineRecord, pipeline: Pipeline) -> Notice:
    source, output, run = pipeline.input, pipeline.output, pipeline.run
    text = (
        f"{_parameter(record)}, version {record.parameter_version}, is in force. Objects "
        f"s3://{source.bucket}/{source.prefix}*{source.suffix} are processed by the container {run.container} of the "
        f"task definition {run.task_definition} on the cluster {run.cluster}, at most {pipeline.limits.tasks} at a "
        f"time. Results are in s3://{output.bucket}/{output.prefix}."
    )
    if pipeline.paused:
        text += " It is paused: files are taken in, and no task is launched."
    if record.warnings:
        text += f"\n\nWarnings:\n{_lines(record.warnings)}"
    return Notice(
        "Pipeline Accepted",
        {
            "pipeline": record.name,
            "parameter_version": record.parameter_version,
            "paused": pipeline.paused,
            "warnings": _listed(record.warnings),
        },
        subject=f"pipeline {record.name} is in force" + (", with warnings" if record.warnings else ""),
        text=text,
        is_warning=bool(record.warnings),
        group="pipelines in force",
    )


def _refused(record: PipelineRecord) -> Notice:
    first = record.refused[0]
    stays = (
        f"Version {record.parameter_version} stays in force."
        if record.pipeline
        else "No version is in force: its files are not taken in."
    )
    return Notice(
        "Pipeline Refused",
        {
            "pipeline": record.name,
            "parameter_version": record.newest_version,
            "field": first.field,
            "problem": first.problem,
            "problems": _listed(record.refused),
            "in_force": record.parameter_version if record.pipeline else None,
        },
        subject=f"pipeline {record.name} refused: {first.field}",
        text=f"{_parameter(record)}, version {record.newest_version}, was refused:\n{_lines(record.refused)}\n\n"
        f"{stays} Put a document that is right; if it is AWS that must change, it is checked again every minute.",
        is_warning=True,
        group="pipelines refused",
    )


def _removed(record: PipelineRecord) -> Notice:
    return Notice(
        "Pipeline Removed",
        {"pipeline": record.name},
        subject=f"pipeline {record.name} removed",
        text=f"{_parameter(record)} was deleted. No new files are taken in. Those that wait go on waiting until there "
        "is such a parameter again, or they are cancelled. Tasks that run end as usual, and their results are kept.",
        group="pipelines removed",
    )


def _parameter(record: PipelineRecord) -> str:
    return f"The document of the pipeline {record.name}, the parameter {PARAMETERS}{record.name}"


def _listed(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [{"field": one.field, "problem": one.problem} for one in problems]


def _lines(problems: Iterable[Problem]) -> str:
    return "\n".join(f"- {one}" for one in problems)
