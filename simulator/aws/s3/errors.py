"""S3's errors, as a client sees them. The answer to a HEAD has no body: its code is the HTTP status."""

from __future__ import annotations

from http import HTTPStatus

from simulator.errors import AwsError

HEAD = {"HeadObject", "HeadBucket"}


def no_such_bucket(bucket: str) -> AwsError:
    """The bucket does not exist."""
    return AwsError("NoSuchBucket", "The specified bucket does not exist", 404, BucketName=bucket)


def no_such_key(key: str) -> AwsError:
    """The object does not exist, or its current version is a delete marker."""
    return AwsError("NoSuchKey", "The specified key does not exist.", 404, Key=key)


def no_such_version(key: str, version_id: str) -> AwsError:
    """The object has no such version."""
    return AwsError("NoSuchVersion", "The specified version does not exist.", 404, Key=key, VersionId=version_id)


def is_delete_marker() -> AwsError:
    """The version is a delete marker, which can only be deleted."""
    return AwsError("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)


def precondition_failed(condition: str) -> AwsError:
    """`condition`: the header whose condition does not hold."""
    message = "At least one of the pre-conditions you specified did not hold"
    return AwsError("PreconditionFailed", message, 412, Condition=condition)


def not_modified() -> AwsError:
    """The object is the one that the caller has."""
    return AwsError("304", "Not Modified", 304)


def conflict(key: str) -> AwsError:
    """Another write of the same key is under way; nothing was written."""
    message = "The conditional request cannot succeed due to a conflicting operation against this resource."
    return AwsError("ConditionalRequestConflict", message, 409, Condition="If-None-Match", Key=key)


def key_too_long(key: str) -> AwsError:
    """A key has 1,024 bytes at most."""
    size = str(len(key.encode()))
    return AwsError("KeyTooLongError", "Your key is too long", 400, Size=size, MaxSizeAllowed="1024")


def without_body(error: AwsError) -> AwsError:
    """The error as the caller of a HEAD sees it."""
    return AwsError(str(error.status), HTTPStatus(error.status).phrase, error.status)
