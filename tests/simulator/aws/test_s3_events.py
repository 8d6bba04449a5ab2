"""S3's events reach the default bus in the shape of AWS, by every way in which an object comes and goes."""

from __future__ import annotations

import string
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from simulator.cloud import Cloud

REGION = {"LocationConstraint": "eu-central-1"}
KEYS = ("plain.csv", "video+data%20.mp4", "ein Ümlaut/😀.tif", "folder/")


@pytest.fixture
def s3(cloud: Cloud) -> Any:
    """Buckets `plain` and `versioned` send events, `quiet` does not."""
    s3 = cloud.client("s3")
    for bucket in ("plain", "versioned", "quiet"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=REGION)
        if bucket != "quiet":
            s3.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
            )
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    return s3


def events(cloud: Cloud) -> list[Any]:
    cloud.clock.run_until(cloud.clock.timestamp() + 2)
    return [seen.event for seen in cloud.buses.seen if seen.bus == "default" and seen.event["source"] == "aws.s3"]


def test_whether_a_bucket_sends_events_is_shown(s3: Any) -> None:
    sends = {
        bucket: s3.get_bucket_notification_configuration(Bucket=bucket).get("EventBridgeConfiguration")
        for bucket in ("plain", "quiet")
    }
    assert sends == {"plain": {}, "quiet": None}


def test_deletions(cloud: Cloud, s3: Any) -> None:
    s3.put_object(Bucket="plain", Key="a")
    version = s3.put_object(Bucket="versioned", Key="b")["VersionId"]
    events(cloud)
    s3.delete_object(Bucket="plain", Key="a")
    s3.delete_object(Bucket="plain", Key="a")
    marker = s3.delete_object(Bucket="versioned", Key="b")["VersionId"]
    s3.delete_objects(Bucket="versioned", Delete={"Objects": [{"Key": "b", "VersionId": version}]})
    deleted = [event for event in events(cloud) if event["detail-type"] == "Object Deleted"]
    said = {
        (one["detail"]["object"]["key"], one["detail"]["object"].get("version-id"), one["detail"]["deletion-type"])
        for one in deleted
    }
    assert len(deleted) == len(said)
    assert said == {
        ("a", None, "Permanently Deleted"),
        ("b", marker, "Delete Marker Created"),
        ("b", version, "Permanently Deleted"),
    }


def test_an_object_that_is_put(cloud: Cloud, s3: Any) -> None:
    for key in KEYS:
        put = s3.put_object(Bucket="plain", Key=key, Body=b"12345")
    s3.put_object(Bucket="quiet", Key="a", Body=b"")
    assert not cloud.buses.seen
    seen = events(cloud)
    assert {event["detail"]["object"]["key"] for event in seen} == set(KEYS)
    event = next(event for event in seen if event["detail"]["object"]["key"] == "folder/")
    described = event["detail"]["object"]
    assert (event["detail-type"], event["resources"]) == ("Object Created", ["arn:aws:s3:::plain"])
    assert event["detail"]["bucket"] == {"name": "plain"}
    assert set(described) == {"key", "size", "etag", "sequencer"}
    assert (described["size"], described["etag"]) == (5, put["ETag"].strip('"'))
    assert event["detail"]["reason"] == "PutObject"


def test_a_version_that_comes_and_goes(cloud: Cloud, s3: Any) -> None:
    first = s3.put_object(Bucket="versioned", Key="a", Body=b"1")
    copy = s3.copy_object(Bucket="versioned", Key="b", CopySource={"Bucket": "versioned", "Key": "a"})
    upload = s3.create_multipart_upload(Bucket="versioned", Key="c")["UploadId"]
    part = s3.upload_part(Bucket="versioned", Key="c", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    whole = s3.complete_multipart_upload(Bucket="versioned", Key="c", UploadId=upload, MultipartUpload=parts)
    made = {event["detail"]["reason"]: event["detail"]["object"] for event in events(cloud)}
    assert len(cloud.buses.seen) == 3
    assert made["PutObject"]["version-id"] == first["VersionId"]
    assert made["CopyObject"]["etag"] == copy["CopyObjectResult"]["ETag"].strip('"')
    assert made["CompleteMultipartUpload"]["etag"] == whole["ETag"].strip('"')
    assert made["CompleteMultipartUpload"]["etag"].endswith("-1")


def test_the_newest_of_a_key_has_the_largest_sequencer(cloud: Cloud, s3: Any) -> None:
    for number in range(40):
        s3.put_object(Bucket="plain", Key="a", Body=str(number).encode())
        cloud.clock.run_until(cloud.clock.timestamp() + number % 2)
    etags = {event["detail"]["object"]["etag"]: event["detail"]["object"]["sequencer"] for event in events(cloud)}
    assert len(etags) == 40
    ordered = sorted(etags.values(), key=lambda one: one.ljust(20, "0"))
    assert len({len(one) for one in ordered}) > 1
    assert set("".join(ordered)) <= set(string.hexdigits)
    assert all(one != other for one, other in pairwise(ordered))
    newest = s3.head_object(Bucket="plain", Key="a")["ETag"].strip('"')
    assert etags[newest] == ordered[-1]
