"""The notices of batch."""

from collections.abc import Sequence
from datetime import datetime

from berthmaster.batch.model.files import File, Provider
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.results import Manifest
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.plan.places import manifest_key, output_prefix
from berthmaster.notices import Notice

SHOWN = 100
"""Tasks that one notice names."""


def file_completed(
    file: File, manifest: Manifest, pipeline: Pipeline, *, is_published: bool, not_published: str
) -> Notice:
    """A file has its result. not_published: why it is not, if the pipeline publishes."""
    launch = file.launch
    started, stopped = (launch.started_at, launch.stopped_at) if launch else (None, None)
    return Notice(
        "File Completed",
        {
            **_named(file),
            "manifest": {"bucket": pipeline.output.bucket, "key": manifest_key(pipeline, file.id)},
            "objects": len(manifest.objects),
            "published": is_published,
            **({"not_published": not_published} if not_published else {}),
            "launches": manifest.attempt,
            "waited_seconds": _seconds(file.received_at, started),
            "ran_seconds": _seconds(started, stopped),
            "dollars": money(file.dollars),
        },
        _resources(file),
    )


def file_observed(file: File, pipeline: Pipeline) -> Notice:
    """A file has come in mode observe: what would be started in mode enforce."""
    run = pipeline.run
    return Notice(
        "File Observed",
        {
            **_named(file),
            "size": file.size,
            "would_start": {
                "cluster": run.cluster,
                "task_definition": run.task_definition,
                "container": run.container,
                "capacity_provider": Provider.FARGATE_SPOT if pipeline.spot_tries else Provider.FARGATE,
                "output": f"s3://{pipeline.output.bucket}/{output_prefix(pipeline, file, 1)}",
            },
        },
        _resources(file),
    )


def file_failed(file: File, cause: str, *, by_mail: bool) -> Notice:
    """A file is dead: it has no result, and is not tried again by itself. by_mail: whether people get a message."""
    launch = file.launch
    text = (
        f"The file {shown(file.key)} of the bucket {file.bucket} has failed in the pipeline {file.pipeline}:"
        f" {file.reason}\n\n"
        f"Task: {(launch.task if launch else '') or 'none'}\n"
        "Files of this pipeline that fail by the same cause within the next hour are not mailed; each has an event"
        " File Failed. When the cause is fixed, send Replay Requested for the file, or for all dead files of the"
        " pipeline."
    )
    return Notice(
        "File Failed",
        {
            **_named(file),
            "cause": cause,
            "diagnosis": file.reason,
            "attempts": file.attempts,
            "failures": file.failures,
            "spot_losses": file.spot_losses,
            "launches": launch.number if launch else 0,
            "dollars": money(file.dollars),
            "task": launch.task if launch else "",
        },
        _resources(file),
        subject=f"a file of {file.pipeline} has failed" if by_mail else "",
        text=text if by_mail else "",
        is_warning=True,
    )


def file_skipped(file: File) -> Notice:
    """There is nothing to do for a file: it is empty, or its task says so."""
    return Notice(
        "File Skipped",
        {**_named(file), "reason": file.reason, "task": file.launch.task if file.launch else ""},
        _resources(file),
    )


def memory_raised(file: File, size: Size, larger: Size, diagnosis: str, *, by_mail: bool) -> Notice:
    """A task was out of memory, and the file is tried with more."""
    text = (
        f"A task of the pipeline {file.pipeline} was out of memory with {size}: {diagnosis}\n\nThe file"
        f" {shown(file.key)} is tried once with {larger}. Each file that needs as much is processed twice: give the"
        " task definition more memory. Others within a day are not mailed; each has an event Memory Raised."
    )
    return Notice(
        "Memory Raised",
        {
            **_named(file),
            "task": file.launch.task if file.launch else "",
            "from": _size(size),
            "to": _size(larger),
            "diagnosis": diagnosis,
        },
        _resources(file),
        subject=f"{file.pipeline} needs more memory" if by_mail else "",
        text=text if by_mail else "",
        is_warning=True,
    )


def tasks_unknown(tasks: Sequence[str], stack: str) -> Notice:
    """Tasks run that name files of which the ledger knows nothing."""
    text = (
        f"Tasks run that the stack {stack} has launched for files or launches that its ledger does not have"
        f" ({len(tasks)} in all):"
        " it is a new one, or was restored to an earlier time. Berthmaster stops none of them. If nobody needs them,"
        " stop them with aws ecs stop-task:"
        "\n\n" + "\n".join(tasks[:SHOWN])
    )
    return Notice(
        "Tasks Unknown",
        {"count": len(tasks), "tasks": list(tasks[:SHOWN])},
        tuple(tasks[:SHOWN]),
        subject="tasks of no known file",
        text=text,
        is_warning=True,
    )


def commit_blocked(file: File, reason: str) -> Notice:
    """Results cannot be committed, and that does not pass by itself."""
    text = (
        f"The task for {shown(file.key)} of the bucket {file.bucket} has done its work, and {reason}\n\nbatch_follow"
        " needs"
        " s3:ListBucket on the output bucket and s3:GetObject and s3:PutObject on its objects: by the parameter"
        " BatchOutputBuckets, the bucket's policy, and, if it is encrypted with a key of your own, kms:Decrypt and"
        " kms:GenerateDataKey by the parameter BatchBucketKeys and the key's policy.\n\nNothing is lost: the result is"
        f" there, and this and other files of the pipeline {file.pipeline} are tried again every few minutes. You hear"
        " of it once a day."
    )
    return Notice(
        "Commit Blocked",
        {**_named(file), "reason": reason},
        _resources(file),
        subject=f"results of {file.pipeline} cannot be committed",
        text=text,
        is_warning=True,
    )


def shown(key: str) -> str:
    """A key as it stands in a message to people: who uploads has chosen it, and must not write the message."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in key)


def money(dollars: float) -> float:
    """As it stands in an event: to a millionth."""
    return round(dollars, 6)


def _size(size: Size) -> dict[str, int]:
    return {"cpu": size.cpu, "memory": size.memory}


def _named(file: File) -> dict[str, object]:
    return {
        "pipeline": file.pipeline,
        "file": file.id,
        "bucket": file.bucket,
        "key": file.key,
        "version_id": file.version_id,
        "etag": file.etag,
    }


def _resources(file: File) -> tuple[str, ...]:
    return (f"arn:aws:s3:::{file.bucket}/{file.key}",)


def _seconds(start: datetime | None, end: datetime | None) -> int | None:
    return round((end - start).total_seconds()) if start and end else None
