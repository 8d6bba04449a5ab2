"""Publishing: copies of a result's objects under stable names."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from berthmaster.batch.plan.publishing import Copy, time_for, together
from berthmaster.concurrently import concurrently, results_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

AT_ONCE, MANY = 4, 8
"""Only the objects of larger results are copied at once: several files are committed at a time."""
PARTS_AT_ONCE = 8
PART = 512 * 2**20
"""Bytes that are copied by one call: the calls of an invocation that has died end soon."""


def publish(
    s3: "S3Client", bucket: str, copies: Sequence[Copy], *, done: int, has_time: Callable[[timedelta], bool]
) -> int:
    """Make copies, in order, as long as there is time; returns how many stand. done: so many stand already.

    A copy that is made again does no harm. Its source has the ETag of the manifest, or S3 refuses it.
    """
    for some in together(copies[done:]):
        if not has_time(time_for(some)):
            break
        results_of(concurrently(lambda one: copy(s3, bucket, one), some, at_once=AT_ONCE if len(some) >= MANY else 1))
        done += len(some)
    return done


def copy(s3: "S3Client", bucket: str, one: Copy, *, part: int = PART) -> None:
    """Copy one object within a bucket, with its metadata and without tags; in parts if it is larger than one."""
    if one.size > part:
        _copy_in_parts(s3, bucket, one, part)
        return
    s3.copy_object(
        Bucket=bucket,
        Key=one.target,
        CopySource={"Bucket": bucket, "Key": one.source},
        CopySourceIfMatch=one.etag,
        TaggingDirective="REPLACE",
    )


def _copy_in_parts(s3: "S3Client", bucket: str, one: Copy, part: int) -> None:
    """Parts of an upload that is not completed stay until a lifecycle rule of the bucket deletes them."""
    source = s3.head_object(Bucket=bucket, Key=one.source, IfMatch=one.etag)
    upload = s3.create_multipart_upload(
        Bucket=bucket, Key=one.target, ContentType=source["ContentType"], Metadata=source["Metadata"]
    )["UploadId"]

    def copy_part(number: int) -> "CompletedPartTypeDef":
        begin = (number - 1) * part
        answer = s3.upload_part_copy(
            Bucket=bucket,
            Key=one.target,
            UploadId=upload,
            PartNumber=number,
            CopySource={"Bucket": bucket, "Key": one.source},
            CopySourceIfMatch=one.etag,
            CopySourceRange=f"bytes={begin}-{min(begin + part, one.size) - 1}",
        )
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    numbers = range(1, -(-one.size // part) + 1)
    parts = results_of(concurrently(copy_part, numbers, at_once=PARTS_AT_ONCE))
    s3.complete_multipart_upload(Bucket=bucket, Key=one.target, UploadId=upload, MultipartUpload={"Parts": parts})
