"""ListObjectsV2: strongly consistent, in the order of UTF-8 bytes, in pages of a thousand.

Requests with a delimiter, and ListObjectVersions, are moto's once they are permitted.
"""

from __future__ import annotations

import base64
import binascii
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote

from moto.s3.models import FakeKey

from simulator.aws.s3.buckets import bucket_of
from simulator.aws.s3.objects import modified
from simulator.aws.s3.refusals import Refusals
from simulator.errors import AwsError

if TYPE_CHECKING:
    from simulator.account import Account, Handlers, Params, Parsed

PAGE = 1000
ANSWERED = {"Bucket", "Prefix", "MaxKeys", "ContinuationToken", "StartAfter", "EncodingType"}


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


def list_object_versions(account: Account, params: Params) -> None:
    """ListObjectVersions: moto's, if it is permitted."""
    bucket = bucket_of(account, params["Bucket"])
    account.state(Refusals).check("s3:ListBucketVersions", bucket.name, params.get("Prefix", ""))


def _after(token: str) -> str:
    try:
        return base64.b64decode(token, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise AwsError("InvalidArgument", "The continuation token provided is incorrect") from error


HANDLERS: Handlers = {"s3:ListObjectsV2": list_objects_v2, "s3:ListObjectVersions": list_object_versions}
