"""The notices of batch."""

from datetime import datetime

from berthmaster.batch.model.files import File, Provider
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.results import Manifest
from berthmaster.batch.plan.places import manifest_key, output_prefix
from berthmaster.notices import Notice


def file_completed(file: File, manifest: Manifest, pipeline: Pipeline, *, is_published: bool) -> Notice:
    """A file has its result."""
    launch = file.launch
    started, stopped = (launch.started_at, launch.stopped_at) if launch else (None, None)
    return Notice(
        "File Completed",
        {
            **_named(file),
            "manifest": {"bucket": pipeline.output.bucket, "key": manifest_key(pipeline, file.id)},
            "objects": len(manifest.objects),
            "published": is_published,
            "waited_seconds": _seconds(file.received_at, started),
            "ran_seconds": _seconds(started, stopped),
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
