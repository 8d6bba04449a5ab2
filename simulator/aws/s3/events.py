"""S3's events on the default bus, for buckets that have EventBridge turned on.

Moto calls one function for each, and this takes its place: moto's events have another shape and know no sequencer.
Shape: "EventBridge event message structure" of the S3 User Guide. Keys are as they are, not URL-encoded.
"""

from __future__ import annotations

from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from moto.s3 import notifications
from moto.s3.models import FakeDeleteMarker

from simulator.aws.events.bus import DEFAULT_BUS, Buses, complete
from simulator.aws.s3.buckets import bucket_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.account import Account, Params, Parsed, Patches

CREATED, DELETED = "Object Created", "Object Deleted"
DELETED_OBJECT, MADE_DELETE_MARKER = "s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated"
REASONS = {
    "s3:ObjectCreated:Put": "PutObject",
    "s3:ObjectCreated:Post": "POST Object",
    "s3:ObjectCreated:Copy": "CopyObject",
    "s3:ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    DELETED_OBJECT: "DeleteObject",
    MADE_DELETE_MARKER: "DeleteObject",
}
DELAY = (0.2, 1.5)
"""Seconds until an event is on the bus; faults of the account delay it further, lose it or double it."""
LONGER_ONE_IN = 4


class S3Events:
    """Draws what is in events and how long they take."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._random = Random(f"{account.seed}:s3 events")
        self._written = 0

    def send(self, event_name: str, bucket: Any, key: Any) -> None:
        """Put an event of a bucket (moto's) and an object or delete marker (moto's) on the bus, shortly after now."""
        configuration = bucket.notification_configuration
        if configuration is None or configuration.event_bridge is None:
            return
        if event_name not in REASONS or (event_name == "s3:ObjectCreated:Put" and key.multipart is not None):
            # Moto sends two events for one multipart upload.
            return
        account = self._account
        event = complete(
            account,
            {
                "detail-type": CREATED if event_name.startswith("s3:ObjectCreated:") else DELETED,
                "source": "aws.s3",
                "resources": [f"arn:aws:s3:::{bucket.name}"],
                "detail": self._detail(event_name, bucket, key),
            },
        )
        account.state(Buses).put_later(self._random.uniform(*DELAY), DEFAULT_BUS, event)

    def _detail(self, event_name: str, bucket: Any, key: Any) -> dict[str, Any]:
        described: dict[str, Any] = {"key": key.name}
        detail: dict[str, Any] = {
            "version": "0",
            "event-version": "1.1",
            "bucket": {"name": bucket.name},
            "object": described,
            "request-id": f"{self._random.getrandbits(64):016X}",
            "requester": self._account.account_id,
            "source-ip-address": "10.0.0.1",
            "reason": REASONS[event_name],
        }
        if not isinstance(key, FakeDeleteMarker):
            described |= {"size": key.size, "etag": key.etag.strip('"')}
        if bucket.is_versioned:
            described["version-id"] = key.version_id
        described["sequencer"] = self._sequencer()
        if event_name.startswith("s3:ObjectRemoved:"):
            created = event_name == MADE_DELETE_MARKER
            detail["deletion-type"] = "Delete Marker Created" if created else "Permanently Deleted"
            described.pop("size", None)
        return detail

    def _sequencer(self) -> str:
        """A hexadecimal number, larger than all before once the shorter of two is filled with zeros on the right."""
        self._written += 1
        found = f"{int(self._account.clock.timestamp()):08x}{self._written:08x}"
        return found if self._random.randrange(LONGER_ONE_IN) else f"{found}{self._random.randrange(256):02x}"


def show_event_bridge(account: Account, params: Params, response: Parsed) -> None:
    """GetBucketNotificationConfiguration: moto keeps whether EventBridge is on, and does not say so."""
    configuration = bucket_of(account, params["Bucket"]).notification_configuration
    if configuration is not None and configuration.event_bridge is not None:
        response["EventBridgeConfiguration"] = {}


PATCHES: Patches = {"s3:GetBucketNotificationConfiguration": show_event_bridge}


@contextmanager
def sending(account: Account) -> Iterator[None]:
    """Send the events of all buckets meanwhile."""

    def send(_account_id: str, bucket: Any, event_name: Any, key: Any) -> None:
        account.state(S3Events).send(event_name.value, bucket, key)

    with patch.object(notifications, "_send_event_bridge_message", send):
        yield
