"""Objects of the input buckets."""

from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.batch.model.files import File
from berthmaster.batch.plan.identity import own_version_id
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED)


def version_id_of(s3: "S3Client", bucket: str, key: str, etag: str) -> str | None:
    """The version id of the current version of an object, empty without one; None if it is not that of the ETag."""
    try:
        answer = s3.head_object(Bucket=bucket, Key=key, IfMatch=etag)
    except ClientError as error:
        if _status(error) in _GONE:
            return None
        raise
    return own_version_id(answer.get("VersionId", ""))


def why_gone(s3: "S3Client", file: File) -> str:
    """Why the object version of a file is not there any more; empty if it is, or if S3 does not say.

    Without s3:ListBucket, S3 answers 403 for what is not there.
    """
    version = {"VersionId": file.version_id} if file.version_id else {"IfMatch": file.etag}
    try:
        s3.head_object(Bucket=file.bucket, Key=file.key, **version)  # type: ignore[arg-type]
    except ClientError as error:
        match _status(error):
            case HTTPStatus.NOT_FOUND | HTTPStatus.METHOD_NOT_ALLOWED:
                return "its object was deleted"
            case HTTPStatus.PRECONDITION_FAILED:
                return "its object was overwritten"
        logger.warning("object not looked at", file=file.id, reason=str(error))
    except BotoCoreError as error:
        logger.warning("object not looked at", file=file.id, reason=str(error))
    return ""


def has_object(s3: "S3Client", bucket: str, key: str) -> bool:
    """Whether a bucket has an object with this key; needs no permission to read it."""
    answer = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    return any(one["Key"] == key for one in answer.get("Contents", []))


def _status(error: ClientError) -> int | None:
    """HeadObject's answers have no body, and so no code but the status."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
