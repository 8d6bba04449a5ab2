"""The messages of security_groups_credit: objects that flow logs have delivered. InvalidEvent names a wrong field."""

from typing import Annotated

from msgspec import Meta, Struct

from berthmaster import envelope
from berthmaster.envelope import SOURCE, Envelope, Parsers

READ_FLOW_LOG = "Read Flow Log"
"""The detail type of the command by which security_groups_report has an object of the past read."""

Bucket = Annotated[str, Meta(min_length=3, max_length=63)]
Key = Annotated[str, Meta(min_length=1, max_length=1024)]
ETag = Annotated[str, Meta(min_length=1, max_length=256)]


class Delivered(Struct, frozen=True, kw_only=True):
    """An object of a bucket to which flow logs are delivered. etag: without quotes. size: bytes."""

    bucket: Bucket
    key: Key
    etag: ETag
    size: Annotated[int, Meta(ge=0)]


class _Bucket(Struct):
    name: Bucket


class _Object(Struct):
    key: Key
    etag: ETag
    size: Annotated[int, Meta(ge=0)]


class _Created(Struct):
    bucket: _Bucket
    object: _Object


def created(event: Envelope) -> Delivered:
    """What S3 says of an object that was created."""
    detail = event.as_(_Created)
    found = detail.object
    return Delivered(bucket=detail.bucket.name, key=found.key, etag=found.etag, size=found.size)


PARSERS: Parsers[Delivered] = {
    ("aws.s3", "Object Created"): created,
    (SOURCE, READ_FLOW_LOG): lambda event: event.as_(Delivered),
}


def delivered(body: str) -> Delivered:
    """Read one event as it comes from the queue."""
    return envelope.parse(body, PARSERS)
