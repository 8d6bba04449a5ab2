"""Manifests: what the result of a file is, written once."""

from typing import TYPE_CHECKING

import msgspec
from botocore.exceptions import ClientError

from berthmaster.batch.model.files import File
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.results import InputVersion, Manifest, ResultObject
from berthmaster.batch.plan.places import manifest_key
from berthmaster.errors import BerthmasterError, Refused, code_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TRIES = 3
MOST_OBJECTS = 100_000
"""Of a result: an invocation has the time and the memory to list them."""


class TooManyObjects(BerthmasterError):
    """A task has written more objects than a result may have."""


def commit_manifest(s3: "S3Client", manifest: Manifest, pipeline: Pipeline) -> Manifest:
    """Write a manifest unless there is one; returns the one that stands, which is this one after a lost answer.

    Errors: Refused if what stands there is no manifest of the file.
    """
    bucket, key = pipeline.output.bucket, manifest_key(pipeline, manifest.file)
    for tries_left in reversed(range(TRIES)):
        try:
            s3.put_object(
                Bucket=bucket,
                Key=key,
                Body=msgspec.json.encode(manifest),
                ContentType="application/json",
                IfNoneMatch="*",
            )
        except ClientError as error:
            if code_of(error) == "PreconditionFailed":
                standing = standing_manifest(s3, pipeline, manifest.file)
                if standing:
                    return standing
            # Another write of the same key was under way (ConditionalRequestConflict), or what stood there is gone.
            elif code_of(error) != "ConditionalRequestConflict":
                raise
            if not tries_left:
                raise
        else:
            return manifest
    raise AssertionError("unreachable")


def standing_manifest(s3: "S3Client", pipeline: Pipeline, file: str) -> Manifest | None:
    """The manifest of a file; None if there is none. Errors as above."""
    bucket, key = pipeline.output.bucket, manifest_key(pipeline, file)
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if code_of(error) != "NoSuchKey":
            raise
        return None
    try:
        found = msgspec.json.decode(body, type=Manifest)
    except msgspec.MsgspecError as error:
        raise Refused("GetObject", "", f"s3://{bucket}/{key} is no manifest: {error}") from error
    if found.file != file:
        raise Refused("GetObject", "", f"s3://{bucket}/{key} is the manifest of another file, {found.file}")
    return found


def result_objects(s3: "S3Client", bucket: str, prefix: str) -> tuple[ResultObject, ...]:
    """What a launch has written; TooManyObjects if that is too much."""
    found: list[ResultObject] = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        found += [
            ResultObject(
                path=one["Key"].removeprefix(prefix), key=one["Key"], size=one["Size"], etag=one["ETag"].strip('"')
            )
            for one in page.get("Contents", [])
        ]
        if len(found) > MOST_OBJECTS:
            raise TooManyObjects(f"a result may have {MOST_OBJECTS} objects at most")
    return tuple(found)


def input_of(file: File) -> InputVersion:
    """What a manifest says about the input."""
    return InputVersion(bucket=file.bucket, key=file.key, version_id=file.version_id, etag=file.etag, size=file.size)
