"""ListObjectsV2 and ListObjectVersions: strongly consistent, in the order of UTF-8 bytes, in pages of a thousand.

Requests with a delimiter are moto's once they are permitted.
"""

from __future__ import annotations

import base64
import binascii
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from moto.s3.models import FakeKey

from simulator.aws.s3.buckets import bucket_of
from simulator.aws.s3.objects import modified
from simulator.aws.s3.refusals import Refusals
from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.account import Account, Handlers, Params, Parsed

PAGE = 1000
ANSWERED = {"Bucket", "Prefix", "MaxKeys", "ContinuationToken", "StartAfter", "EncodingType"}
ANSWERED_OF_VERSIONS = {"Bucket", "Prefix", "MaxKeys", "KeyMarker", "VersionIdMarker", "EncodingType"}


def list_objects_v2(account: Account, params: Params) -> Parsed | None:
    """ListObjectsV2: current versions that are no delete markers."""
    bucket = bucket_of(account, params["Bucket"])
    prefix = params.get("Prefix", "")
    account.state(Refusals).check("s3:ListBucket", bucket.name, prefix)
    if not params.keys() <= ANSWERED:
        return None
    token = params.get("ContinuationToken")
    most = min(params.get("MaxKeys", PAGE), PAGE)
    versions = bucket.keys.beginning_with(prefix, params.get("StartAfter", "") if token is None else _after(token))
    found = list(islice((keys[-1] for _, keys in versions if isinstance(keys[-1], FakeKey)), most + 1))
    page = found[:most]
    # Without it, botocore would not decode the keys of a request that went through all of it.
    is_encoded = params.get("EncodingType") == "url"
    answer: Parsed = {
        "Name": bucket.name,
        "Prefix": quote(prefix) if is_encoded else prefix,
        "MaxKeys": most,
        "KeyCount": len(page),
        "IsTruncated": bool(page) and len(found) > most,
        **({"EncodingType": "url"} if is_encoded else {}),
        **({"ContinuationToken": token} if token is not None else {}),
    }
    if page:
        answer["Contents"] = [
            {
                "Key": quote(key.name) if is_encoded else key.name,
                "LastModified": modified(key),
                "ETag": key.etag,
                "Size": key.size,
                "StorageClass": key.storage_class,
            }
            for key in page
        ]
    if answer["IsTruncated"]:
        answer["NextContinuationToken"] = base64.b64encode(page[-1].name.encode()).decode()
    return answer


def list_object_versions(account: Account, params: Params) -> Parsed | None:
    """ListObjectVersions: by key, the newest version of a key first; with a key marker alone, from the next key on."""
    bucket = bucket_of(account, params["Bucket"])
    prefix = params.get("Prefix", "")
    account.state(Refusals).check("s3:ListBucketVersions", bucket.name, prefix)
    if not params.keys() <= ANSWERED_OF_VERSIONS:
        return None
    most = min(params.get("MaxKeys", PAGE), PAGE)
    found = list(islice(_versions_after(bucket, prefix, params), most + 1))
    page, is_truncated = found[:most], 0 < most < len(found)
    is_encoded = params.get("EncodingType") == "url"

    def described(one: Any, *, is_latest: bool) -> dict[str, Any]:
        return {
            "Key": quote(one.name) if is_encoded else one.name,
            "VersionId": _version_id(one),
            "IsLatest": is_latest,
            "LastModified": modified(one),
        }

    answer: Parsed = {
        "Name": bucket.name,
        "Prefix": quote(prefix) if is_encoded else prefix,
        "MaxKeys": most,
        "IsTruncated": is_truncated,
        **({"EncodingType": "url"} if is_encoded else {}),
    }
    versions = [
        described(one, is_latest=latest) | {"ETag": one.etag, "Size": one.size, "StorageClass": one.storage_class}
        for one, latest in page
        if isinstance(one, FakeKey)
    ]
    markers = [described(one, is_latest=latest) for one, latest in page if not isinstance(one, FakeKey)]
    answer |= {name: found for name, found in (("Versions", versions), ("DeleteMarkers", markers)) if found}
    if is_truncated:
        last = page[-1][0]
        answer["NextKeyMarker"] = quote(last.name) if is_encoded else last.name
        answer["NextVersionIdMarker"] = _version_id(last)
    return answer


def _versions_after(bucket: Any, prefix: str, params: Params) -> Iterator[tuple[Any, bool]]:
    """Versions and delete markers (moto's), and whether each is the latest of its key."""
    after, marker = params.get("KeyMarker", ""), params.get("VersionIdMarker", "")
    if marker and after in bucket.keys:
        versions = bucket.keys.getlist(after)[::-1]
        place = next((number for number, one in enumerate(versions) if _version_id(one) == marker), len(versions))
        yield from ((one, False) for one in versions[place + 1 :])
    for _, keys in bucket.keys.beginning_with(prefix, after):
        yield from ((one, number == 0) for number, one in enumerate(reversed(keys)))


def _version_id(one: Any) -> str:
    """Of what was written without versioning, S3 says null."""
    return str(one.version_id or "null")


def _after(token: str) -> str:
    try:
        return base64.b64decode(token, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise AwsError("InvalidArgument", "The continuation token provided is incorrect") from error


HANDLERS: Handlers = {"s3:ListObjectsV2": list_objects_v2, "s3:ListObjectVersions": list_object_versions}
