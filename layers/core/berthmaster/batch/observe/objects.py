"""Objects of the input buckets."""

from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.batch.plan.identity import own_version_id

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED)


def version_id_of(s3: "S3Client", bucket: str, key: str, etag: str) -> str | None:
    """The version id of the current version of an object, empty without one; None if it is not that of the ETag."""
    try:
        answer = s3.head_object(Bucket=bucket, Key=key, IfMatch=etag)
    except ClientError as error:
        # HeadObject has no body, and so no code but the status.
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in _GONE:
            return None
        raise
    return own_version_id(answer.get("VersionId", ""))


def has_object(s3: "S3Client", bucket: str, key: str) -> bool:
    """Whether a bucket has an object with this key; needs no permission to read it."""
    answer = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    return any(one["Key"] == key for one in answer.get("Contents", []))
