"""S3's operations on objects, handed straight to moto's state: no signing, no HTTP, no XML; and the rules moto lacks.

Requests with parameters that are not in `ANSWERED` are moto's once they are permitted and their conditions hold.
"""

from __future__ import annotations

from datetime import UTC
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from botocore.response import StreamingBody
from moto.s3.models import FakeDeleteMarker, FakeKey

from simulator.aws.s3 import errors
from simulator.aws.s3.buckets import backend, bucket_of
from simulator.aws.s3.events import DELETED_OBJECT, MADE_DELETE_MARKER, S3Events
from simulator.aws.s3.refusals import Refusals
from simulator.calls import is_function
from simulator.errors import AwsError

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.account import Account, Handlers, Params, Parsed

KEY_BYTES = 1024
MOST_DELETED = 1000
ANY = "*"
# What may be left out of account: moto's and this S3 encrypt nothing and check no sums.
IGNORED = {
    *("ChecksumAlgorithm", "ChecksumMode", "ChecksumCRC32", "ContentMD5", "ContentLength", "ContentEncoding"),
    *("ServerSideEncryption", "SSEKMSKeyId"),
}
ANSWERED: dict[str, set[str]] = {
    "PutObject": {"Bucket", "Key", "Body", "ContentType", "Metadata", "IfMatch", "IfNoneMatch"},
    "GetObject": {"Bucket", "Key", "VersionId", "IfMatch", "IfNoneMatch"},
    "HeadObject": {"Bucket", "Key", "VersionId", "IfMatch", "IfNoneMatch"},
    "CopyObject": {"Bucket", "Key", "CopySource", "CopySourceIfMatch", "IfMatch", "IfNoneMatch", "TaggingDirective"},
    "DeleteObject": {"Bucket", "Key", "VersionId"},
    "DeleteObjects": {"Bucket", "Delete"},
}


def put_object(account: Account, params: Params) -> Parsed | None:
    """PutObject."""
    bucket = _writable(account, params)
    if not _is_answered("PutObject", params):
        return None
    key = backend(account).put_object(bucket.name, params["Key"], _content(params.get("Body", b"")))
    key.set_metadata(_metadata(params))
    return _made(key)


def copy_object(account: Account, params: Params) -> Parsed | None:
    """CopyObject, of a version if the source names one."""
    source = _source(account, params["CopySource"], params.get("CopySourceIfMatch"))
    bucket = _writable(account, params)
    if not _is_answered("CopyObject", params):
        return None
    backend(account).copy_object(source, bucket.name, params["Key"], provided_version_id=source.version_id)
    key = bucket.keys[params["Key"]]
    result = {"ETag": key.etag, "LastModified": modified(key)}
    of_source = {} if source.version_id == "null" else {"CopySourceVersionId": source.version_id}
    return {"CopyObjectResult": result, **of_source, **_version(key)}


def get_object(account: Account, params: Params) -> Parsed | None:
    """GetObject, whole."""
    key = _readable(account, params)
    account.state(Refusals).check("kms:Decrypt", params["Bucket"], params["Key"])
    if not _is_answered("GetObject", params):
        return None
    return {**_described(key), "Body": StreamingBody(BytesIO(key.value), key.size)}


def head_object(account: Account, params: Params) -> Parsed | None:
    """HeadObject; its errors have no text."""
    try:
        key = _readable(account, params)
    except AwsError as error:
        raise errors.without_body(error) from error
    return _described(key) if _is_answered("HeadObject", params) else None


def delete_object(account: Account, params: Params) -> Parsed | None:
    """DeleteObject: a delete marker in a versioned bucket, unless a version is named."""
    bucket = bucket_of(account, params["Bucket"])
    _check_delete(account, bucket, params)
    if bucket.object_lock_enabled or not _is_answered("DeleteObject", params):
        return None
    return _deleted(account, bucket, params["Key"], params.get("VersionId"))


def delete_objects(account: Account, params: Params) -> Parsed | None:
    """DeleteObjects: each one succeeds or fails by itself."""
    bucket = bucket_of(account, params["Bucket"])
    if bucket.object_lock_enabled or not _is_answered("DeleteObjects", params):
        return None
    wanted = params["Delete"]["Objects"]
    if not 1 <= len(wanted) <= MOST_DELETED:
        raise AwsError("MalformedXML", "The XML you provided was not well-formed or did not validate", 400)
    deleted, failed = [], []
    for one in wanted:
        named = {name: one[name] for name in ("Key", "VersionId") if name in one}
        try:
            _check_delete(account, bucket, one)
        except AwsError as error:
            failed.append({**named, "Code": error.code, "Message": error.message})
            continue
        answer = _deleted(account, bucket, one["Key"], one.get("VersionId"))
        if answer.get("DeleteMarker"):
            named |= {"DeleteMarker": True, "DeleteMarkerVersionId": answer["VersionId"]}
        deleted.append(named)
    found: Parsed = {} if params["Delete"].get("Quiet") else {"Deleted": deleted}
    return found | ({"Errors": failed} if failed else {})


def complete_multipart_upload(account: Account, params: Params) -> None:
    """CompleteMultipartUpload: moto's, if it is permitted and its conditions hold."""
    current = bucket_of(account, params["Bucket"]).keys.get(params["Key"])
    is_repeated = isinstance(current, FakeKey) and current.multipart and current.multipart.id == params["UploadId"]
    if not is_repeated:
        _writable(account, params)


def upload(account: Account, params: Params) -> None:
    """CreateMultipartUpload and UploadPart: moto's, if they are permitted."""
    account.state(Refusals).check("s3:PutObject", params["Bucket"], params["Key"])
    account.state(Refusals).check("kms:GenerateDataKey", params["Bucket"], params["Key"])


def modified(key: Any) -> datetime:
    """When an object (moto's) was written, as S3 tells it: in whole seconds."""
    found: datetime = key.last_modified.replace(tzinfo=UTC, microsecond=0)
    return found


def _is_answered(operation: str, params: Params) -> bool:
    return params.keys() <= ANSWERED[operation] | IGNORED


def _writable(account: Account, params: Params) -> Any:
    """The bucket (moto's) of a key that may be written now, and whose conditions hold."""
    bucket, key = bucket_of(account, params["Bucket"]), params["Key"]
    if len(key.encode()) > KEY_BYTES:
        raise errors.key_too_long(key)
    upload(account, params)
    current = bucket.keys.get(key)
    exists = isinstance(current, FakeKey)
    if ("IfMatch" in params or "IfNoneMatch" in params) and is_function() and account.faults.conflicts():
        raise errors.conflict(key)
    if params.get("IfNoneMatch") == ANY and exists:
        raise errors.precondition_failed("If-None-Match")
    if "IfMatch" in params:
        if not exists:
            raise errors.no_such_key(key)
        if not _is_etag(params["IfMatch"], current):
            raise errors.precondition_failed("If-Match")
    return bucket


def _readable(account: Account, params: Params) -> Any:
    """The object (moto's) that a read is about, if it may be read and the conditions of the request hold."""
    bucket = bucket_of(account, params["Bucket"])
    key = _version_of(account, bucket, params["Key"], params.get("VersionId"))
    if "IfMatch" in params and not _is_etag(params["IfMatch"], key):
        raise errors.precondition_failed("If-Match")
    if "IfNoneMatch" in params and _is_etag(params["IfNoneMatch"], key):
        raise errors.not_modified()
    return key


def _version_of(account: Account, bucket: Any, name: str, version_id: str | None) -> Any:
    refusals = account.state(Refusals)
    refusals.check("s3:GetObjectVersion" if version_id else "s3:GetObject", bucket.name, name)
    versions = bucket.keys.getlist(name, [])
    found = next((one for one in reversed(versions) if version_id in (None, one.version_id)), None)
    if isinstance(found, FakeKey):
        return found
    # Who may not list a bucket does not learn that it lacks an object.
    refusals.check("s3:ListBucket", bucket.name, name)
    if version_id is None:
        raise errors.no_such_key(name)
    raise errors.no_such_version(name, version_id) if found is None else errors.is_delete_marker()


def _source(account: Account, copy_source: str, etag: str | None) -> Any:
    """The version (moto's) that a CopySource names: bucket, key and perhaps a version id, URL-encoded."""
    path, _, version_id = copy_source.partition("?versionId=")
    bucket, _, name = unquote(path).lstrip("/").partition("/")
    key = _version_of(account, bucket_of(account, bucket), name, version_id or None)
    account.state(Refusals).check("kms:Decrypt", bucket, name)
    if etag is not None and not _is_etag(etag, key):
        raise errors.precondition_failed("x-amz-copy-source-If-Match")
    return key


def _check_delete(account: Account, bucket: Any, one: Params) -> None:
    action = "s3:DeleteObjectVersion" if one.get("VersionId") else "s3:DeleteObject"
    account.state(Refusals).check(action, bucket.name, one["Key"])


def _deleted(account: Account, bucket: Any, name: str, version_id: str | None) -> Parsed:
    """Delete a key or a version, there or not, and return what S3 says about it."""
    versions = bucket.keys.getlist(name, [])
    send = account.state(S3Events).send
    if version_id is None and bucket.is_versioned:
        # Moto makes no marker for a key that it does not know.
        marker = FakeDeleteMarker(key=versions[-1] if versions else SimpleNamespace(name=name))  # type: ignore[arg-type]
        bucket.keys[name] = marker
        send(MADE_DELETE_MARKER, bucket, marker)
        return {"DeleteMarker": True, "VersionId": marker.version_id}
    gone = [one for one in versions if version_id in (None, one.version_id)]
    kept = [one for one in versions if one not in gone]
    for one in gone:
        send(DELETED_OBJECT, bucket, one)
    if gone and not kept:
        bucket.keys.pop(name)
    elif gone:
        bucket.keys.setlist(name, kept)
    is_marker = any(isinstance(one, FakeDeleteMarker) for one in gone)
    return ({"DeleteMarker": True} if is_marker else {}) | ({} if version_id is None else {"VersionId": version_id})


def _is_etag(given: str, key: Any) -> bool:
    # S3 takes it with and without its quotes.
    return given == ANY or bool(given.strip('"') == key.etag.strip('"'))


def _content(body: Any) -> bytes:
    data = body.read() if hasattr(body, "read") else body
    return data.encode() if isinstance(data, str) else bytes(data)


def _metadata(params: Params) -> dict[str, str]:
    own = {f"x-amz-meta-{name}": value for name, value in params.get("Metadata", {}).items()}
    return own | ({"Content-Type": params["ContentType"]} if "ContentType" in params else {})


def _version(key: Any) -> dict[str, str]:
    return {} if key.version_id == "null" else {"VersionId": key.version_id}


def _made(key: Any) -> Parsed:
    return {"ETag": key.etag, "ServerSideEncryption": "AES256", **_version(key)}


def _described(key: Any) -> Parsed:
    own = {name.lower().removeprefix("x-amz-meta-"): value for name, value in key.metadata.items() if "-meta-" in name}
    return {
        "AcceptRanges": "bytes",
        "LastModified": modified(key),
        "ContentLength": key.size,
        "ETag": key.etag,
        "ContentType": key.metadata["content-type"],
        "ServerSideEncryption": "AES256",
        "Metadata": own,
        **_version(key),
    }


HANDLERS: Handlers = {
    "s3:PutObject": put_object,
    "s3:CopyObject": copy_object,
    "s3:GetObject": get_object,
    "s3:HeadObject": head_object,
    "s3:DeleteObject": delete_object,
    "s3:DeleteObjects": delete_objects,
    "s3:CreateMultipartUpload": upload,
    "s3:UploadPart": upload,
    "s3:CompleteMultipartUpload": complete_multipart_upload,
}
