"""Copies of large objects are made in parts."""

from berthmaster.batch.act.publish import copy
from berthmaster.batch.plan.publishing import Copy
from simulator.cloud import Cloud

MIB = 2**20


def test_a_copy_in_parts_is_the_same_object() -> None:
    with Cloud() as cloud:
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket="results", CreateBucketConfiguration={"LocationConstraint": cloud.region})
        body = bytes(range(256)) * (12 * MIB // 256) + b"end"
        etag = s3.put_object(
            Bucket="results", Key="from", Body=body, ContentType="text/plain", Metadata={"pages": "7"}
        )["ETag"].strip('"')
        copy(s3, "results", Copy("from", "to/a", etag, len(body)), part=5 * MIB)
        copied = s3.get_object(Bucket="results", Key="to/a")
        assert copied["Body"].read() == body
        assert (copied["ContentType"], copied["Metadata"]) == ("text/plain", {"pages": "7"})
