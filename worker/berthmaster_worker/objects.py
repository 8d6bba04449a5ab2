"""Objects of S3, in pieces: however large they are, a few pieces are in memory at a time."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as NoConnection

from berthmaster_worker.errors import LostInput, Unusable, code_of
from berthmaster_worker.model import Input

PIECE = 1024 * 1024
PART = 16 * 1024 * 1024
"""Of a multipart upload. With 10,000 parts of it an object has 160 GB; a larger one gets larger parts."""
MOST_PARTS = 10_000
TRIES = 5
"""How often a download is taken up again that has not come any further."""
GONE = ("NoSuchKey", "NoSuchVersion", "NoSuchBucket", "MethodNotAllowed", "PreconditionFailed", "404", "412")
"""MethodNotAllowed: the version is a delete marker."""
LONGEST_KEY = 1024
BROKEN = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError, NoConnection, ConnectionError, TimeoutError)

Check = Callable[[], None]
"""Called between two pieces; raises what ends the transfer."""


def download(s3: Any, source: Input, target: Path, check: Check) -> int:
    """Write exactly this version of an object to a file; returns its size. Raises LostInput if there is no such thing.

    What breaks off on its way is taken up where it broke off, of the same version.
    """
    size = 0
    with target.open("wb") as file:
        for piece in pieces(s3, source, check):
            size += file.write(piece)
    return size


def pieces(s3: Any, source: Input, check: Check) -> Iterator[bytes]:
    """The content of this version of an object. Errors as above."""
    position, end, tries = 0, -1, TRIES
    while position != end:
        check()
        try:
            answer = s3.get_object(
                Bucket=source.bucket,
                Key=source.key,
                **source.pinned,
                **({"Range": f"bytes={position}-"} if position else {}),
            )
        except ClientError as error:
            if code_of(error) in GONE:
                raise LostInput(f"the object is gone or was overwritten: {code_of(error)}") from error
            raise
        end = position + answer["ContentLength"]
        body = answer["Body"]
        try:
            while piece := body.read(PIECE):
                position += len(piece)
                tries = TRIES
                yield piece
                check()
        except BROKEN:
            tries -= 1
            if not tries:
                raise
        finally:
            body.close()


def results_below(folder: Path) -> list[tuple[str, Path]]:
    """The files below a folder, and their paths as they stand in keys, in order. Raises Unusable for others."""
    found = []
    for parent, folders, names in os.walk(folder, onerror=_raise):
        for name in (*names, *(one for one in folders if (Path(parent) / one).is_symlink())):
            path = Path(parent) / name
            relative = path.relative_to(folder).as_posix()
            try:
                relative.encode()
            except UnicodeEncodeError:
                raise Unusable(f"the name of {relative!r} is no UTF-8") from None
            if not stat.S_ISREG(path.lstat().st_mode):
                raise Unusable(f"{relative!r} is no file, and cannot be a part of a result")
            found.append((relative, path))
    return sorted(found)


def upload(s3: Any, path: Path, bucket: str, key: str, check: Check) -> None:
    """Upload a file: in one call if it is small, else part by part."""
    if len(key.encode()) > LONGEST_KEY:
        raise Unusable(f"the key of {path.name!r} would be longer than {LONGEST_KEY} bytes")
    check()
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= PART:
            s3.put_object(Bucket=bucket, Key=key, Body=file.read())
        else:
            _upload_parts(s3, file, max(PART, -(-size // MOST_PARTS)), {"Bucket": bucket, "Key": key}, check)


def _upload_parts(s3: Any, file: BinaryIO, part_size: int, target: dict[str, str], check: Check) -> None:
    upload_id = s3.create_multipart_upload(**target)["UploadId"]
    parts: list[dict[str, Any]] = []
    try:
        while part := file.read(part_size):
            check()
            number = len(parts) + 1
            answer = s3.upload_part(**target, UploadId=upload_id, PartNumber=number, Body=part)
            parts.append({"ETag": answer["ETag"], "PartNumber": number})
        s3.complete_multipart_upload(**target, UploadId=upload_id, MultipartUpload={"Parts": parts})
    except Exception:
        _abort(s3, target, upload_id)
        raise


def _abort(s3: Any, target: dict[str, str], upload_id: str) -> None:
    """Free the parts, as well as that goes: a lifecycle rule of the bucket frees those that are left."""
    try:
        s3.abort_multipart_upload(**target, UploadId=upload_id)
    except (BotoCoreError, ClientError):
        return


def _raise(error: OSError) -> None:
    raise error
