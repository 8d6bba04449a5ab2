"""Pipelines as they are in force."""

from dataclasses import replace
from typing import Any

from berthmaster.batch.model.pipelines import Input, Output, Pipeline, Run


def a_pipeline(
    name: str = "ocr",
    *,
    source: str = "incoming/scans/",
    suffix: str = ".tif",
    results: str = "results/ocr/",
    publish: bool = True,
    version: int = 1,
    **more: Any,
) -> Pipeline:
    """source, results: `<bucket>/<prefix>`."""
    (from_bucket, _, prefix), (to_bucket, _, folder) = source.partition("/"), results.partition("/")
    pipeline = Pipeline(
        name=name,
        version=version,
        input=Input(bucket=from_bucket, prefix=prefix, suffix=suffix),
        output=Output(bucket=to_bucket, prefix=folder, publish=publish),
        run=Run(
            cluster="batch",
            task_definition=name,
            container=name,
            subnets=("subnet-0a1b2c3d4e5f60718",),
            security_groups=("sg-0a1b2c3d4e5f60718",),
        ),
    )
    return replace(pipeline, **more)
