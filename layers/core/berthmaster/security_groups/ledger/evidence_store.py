"""Flows and evidence of objects of flow logs, in the application's bucket.

    received/day=2026-11-22/<name>.json      that there is an object to read; written first
    flows/day=2026-11-22/<name>.parquet      its flows, for Athena
    credits/day=2026-11-22/<name>.json.gz    what it says of rules, and what it covers; written last
    folded/2026-11-22.json.gz                what all objects of a day say that were there by then

A name comes from the object's bucket, key and ETag, so an object that is read twice writes the same keys. One that was
received and of which nothing is credited may hold what shows that a rule is used: it waits, it is broken, or whatever
read it died.
"""

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from botocore.exceptions import ClientError

from berthmaster.errors import code_of
from berthmaster.items import Unreadable
from berthmaster.security_groups.ledger.evidence_codec import decoded, encoded
from berthmaster.security_groups.model.sources import Evidence, Receipt
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SUFFIX, RECEIPT = ".json.gz", ".json"


class EvidenceStore:
    """The evidence in one bucket. Days are texts like 2026-11-22, in UTC."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def has(self, day: str, name: str) -> bool:
        """Whether an object was read before."""
        try:
            self._s3.head_object(Bucket=self._bucket, Key=_key(day, name))
        except ClientError as error:
            # HeadObject's answers have no body, and so no code but the status.
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    def receive(self, day: str, name: str, receipt: Receipt) -> None:
        """Record that there is an object, or why it is not read."""
        self._s3.put_object(Bucket=self._bucket, Key=_receipt(day, name), Body=msgspec.json.encode(receipt))

    def received(self, day: str) -> list[str]:
        """All objects of a day, read or not, in order."""
        return self._listed(_receipt(day, "").removesuffix(RECEIPT), RECEIPT)

    def receipt(self, day: str, name: str) -> Receipt:
        """What was recorded of an object; Unreadable if that is damaged."""
        key = _receipt(day, name)
        try:
            return msgspec.json.decode(self._body(key), type=Receipt)
        except msgspec.MsgspecError as error:
            raise Unreadable(f"s3://{self._bucket}/{key} cannot be read: {error}") from error

    def save(self, day: str, name: str, evidence: Evidence, flows: bytes) -> None:
        """Save what one object says. flows: as Parquet, which alone says nothing of rules."""
        self._s3.put_object(Bucket=self._bucket, Key=f"flows/day={day}/{name}.parquet", Body=flows)
        self._s3.put_object(Bucket=self._bucket, Key=_key(day, name), Body=encoded(evidence))

    def names(self, day: str) -> list[str]:
        """The objects of a day that were read, in order."""
        return self._listed(_key(day, "").removesuffix(SUFFIX), SUFFIX)

    def read(self, day: str, name: str) -> Evidence:
        """What one object says; Unreadable if that is damaged."""
        return self._read(_key(day, name))

    def folded(self, day: str) -> Evidence:
        """What was folded of a day; nothing if that is damaged, since it can be made again."""
        try:
            return self._read(_folded(day))
        except ClientError as error:
            if code_of(error) != "NoSuchKey":
                raise
        except Unreadable as error:
            logger.error("folded evidence not read", day=day, error=repr(error))
        return Evidence()

    def save_folded(self, day: str, evidence: Evidence) -> None:
        """Save what the objects of a day say together."""
        self._s3.put_object(Bucket=self._bucket, Key=_folded(day), Body=encoded(evidence))

    def _read(self, key: str) -> Evidence:
        return decoded(self._body(key), f"s3://{self._bucket}/{key}")

    def _body(self, key: str) -> bytes:
        return self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()

    def _listed(self, prefix: str, suffix: str) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        keys = (one["Key"] for page in pages for one in page.get("Contents", []))
        return [key.removeprefix(prefix).removesuffix(suffix) for key in keys if key.endswith(suffix)]


def _key(day: str, name: str) -> str:
    return f"credits/day={day}/{name}{SUFFIX}"


def _receipt(day: str, name: str) -> str:
    return f"received/day={day}/{name}{RECEIPT}"


def _folded(day: str) -> str:
    return f"folded/{day}{SUFFIX}"
