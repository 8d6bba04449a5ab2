"""Objects of flow logs, brought to a local file."""

from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.errors import BerthmasterError, is_denied

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from berthmaster.security_groups.plan.log_objects import LogObject

CHUNK = 4_000_000
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED)


class Gone(BerthmasterError):
    """The object was deleted, or overwritten by another."""


class Denied(BerthmasterError):
    """The object may not be read. action: what is refused, as in s3:GetObject."""

    def __init__(self, action: str, message: str) -> None:
        super().__init__(message)
        self.action = action


def download(s3: "S3Client", found: "LogObject", path: "Path") -> None:
    """Write an object to a file; Gone or Denied if that cannot be."""
    try:
        answer = s3.get_object(Bucket=found.bucket, Key=found.key, IfMatch=f'"{found.etag}"')
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status in _GONE:
            raise Gone(str(error)) from error
        if is_denied(error):
            raise Denied("kms:Decrypt" if "kms:Decrypt" in str(error) else "s3:GetObject", str(error)) from error
        raise
    with path.open("wb") as file:
        for chunk in answer["Body"].iter_chunks(CHUNK):
            file.write(chunk)
