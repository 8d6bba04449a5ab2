"""Manifests: what the result of a file is, written once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from botocore.exceptions import ClientError

from berthmaster.batch.model.files import File
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.results import InputVersion, Manifest, ResultObject
from berthmaster.batch.plan.places import manifest_key
from berthmaster.errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Manifests:
    """Reads and writes manifests."""

    s3: "S3Client"

    def commit(self, manifest: Manifest, pipeline: Pipeline) -> Manifest:
        """Write a manifest unless there is one; returns the one that stands."""
        bucket, key = pipeline.output.bucket, manifest_key(pipeline, manifest.file)
        try:
            self.s3.put_object(
                Bucket=bucket,
                Key=key,
                Body=msgspec.json.encode(manifest),
                ContentType="application/json",
                IfNoneMatch="*",
            )
        except ClientError as error:
            if code_of(error) != "PreconditionFailed":
                raise
            body = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            return msgspec.json.decode(body, type=Manifest)
        return manifest


def result_objects(s3: "S3Client", bucket: str, prefix: str) -> Iterator[ResultObject]:
    """What a launch has written."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for one in page.get("Contents", []):
            yield ResultObject(
                path=one["Key"].removeprefix(prefix), key=one["Key"], size=one["Size"], etag=one["ETag"].strip('"')
            )


def input_of(file: File) -> InputVersion:
    """What a manifest says about the input."""
    return InputVersion(bucket=file.bucket, key=file.key, version_id=file.version_id, etag=file.etag, size=file.size)
