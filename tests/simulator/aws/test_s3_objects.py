"""Objects in S3: read, written under conditions, copied, listed, deleted, refused."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from simulator.aws.s3.refusals import Refusal, Refusals
from simulator.calls import calling_as
from simulator.clock import MONDAY
from simulator.cloud import Cloud
from simulator.faults import FaultPlan
from simulator.latency import Constant

if TYPE_CHECKING:
    from collections.abc import Callable

REGION = {"LocationConstraint": "eu-central-1"}
NAMES = ("s3:PutObject", "s3:GetObject", "s3:HeadObject", "s3:CopyObject", "s3:DeleteObjects")
KEYS = ["a+b.csv", "a%20b", "ä ö/😀?#.tif", "folder/", "x" * 1024]


@pytest.fixture
def s3(cloud: Cloud) -> Any:
    """Buckets `plain` and `versioned`."""
    return with_buckets(cloud)


def with_buckets(cloud: Cloud) -> Any:
    s3 = cloud.client("s3")
    for bucket in ("plain", "versioned"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=REGION)
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    return s3


def refused(call: Callable[[], Any]) -> tuple[str, int]:
    """Code and HTTP status of the error with which a call ends."""
    with pytest.raises(ClientError) as caught:
        call()
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("key", KEYS)
def test_any_key_is_read_copied_and_listed_as_it_was_written(s3: Any, key: str) -> None:
    put = s3.put_object(Bucket="plain", Key=key, Body=BytesIO(b"text"), ContentType="text/plain", Metadata={"a": "b"})
    got = s3.get_object(Bucket="plain", Key=key, IfMatch=put["ETag"])
    assert (got["Body"].read(), got["ContentLength"], got["ContentType"]) == (b"text", 4, "text/plain")
    assert (got["Metadata"], got["LastModified"], "VersionId" in got) == ({"a": "b"}, MONDAY, False)
    assert s3.head_object(Bucket="plain", Key=key)["ETag"] == put["ETag"]
    for source in ({"Bucket": "plain", "Key": key}, f"plain/{key}"):
        s3.copy_object(Bucket="versioned", Key=key, CopySource=source)
    (listed,) = s3.list_objects_v2(Bucket="versioned", Prefix=key[:2])["Contents"]
    assert (listed["Key"], listed["Size"], listed["ETag"]) == (key, 4, put["ETag"])
    assert len(s3.list_object_versions(Bucket="versioned")["Versions"]) == 2


def test_the_short_way_answers_as_the_long_one(cloud: Cloud) -> None:
    def answers() -> list[Any]:
        s3 = with_buckets(cloud)
        found = [
            s3.put_object(Bucket="plain", Key="a", Body=b"1", Metadata={"M": "x"}),
            s3.get_object(Bucket="plain", Key="a"),
            s3.head_object(Bucket="plain", Key="a"),
            s3.copy_object(Bucket="plain", Key="b/ä", CopySource={"Bucket": "plain", "Key": "a"}),
            s3.list_objects_v2(Bucket="plain", MaxKeys=1)["Contents"],
            s3.list_objects_v2(Bucket="plain", Prefix="b/", StartAfter="b/a")["Contents"],
            s3.list_objects_v2(Bucket="plain", Prefix="none")["KeyCount"],
            s3.delete_object(Bucket="plain", Key="a"),
            s3.delete_objects(Bucket="plain", Delete={"Objects": [{"Key": "b/ä"}, {"Key": "gone"}]}),
            refused(lambda: s3.get_object(Bucket="plain", Key="a"))[0],
            refused(lambda: s3.head_object(Bucket="plain", Key="a")),
        ]
        s3.delete_bucket(Bucket="plain")
        s3.delete_bucket(Bucket="versioned")
        return found

    def comparable(answer: Any) -> Any:
        if not isinstance(answer, dict):
            return answer
        # Moto encrypts nothing unless it is asked to, and S3 everything.
        kept = {key: value for key, value in answer.items() if key not in ("ResponseMetadata", "ServerSideEncryption")}
        return kept | ({"Body": answer["Body"].read()} if "Body" in answer else {})

    short = answers()
    for name in [name for name in cloud.handlers if name.startswith("s3:")]:
        del cloud.handlers[name]
    assert [comparable(one) for one in short] == [comparable(one) for one in answers()]


def test_versions(s3: Any) -> None:
    first, second = (s3.put_object(Bucket="versioned", Key="a", Body=body)["VersionId"] for body in (b"1", b"2"))
    assert s3.get_object(Bucket="versioned", Key="a", VersionId=first)["Body"].read() == b"1"
    source = {"Bucket": "versioned", "Key": "a", "VersionId": first}
    copied = s3.copy_object(Bucket="plain", Key="old", CopySource=source)
    assert copied["CopySourceVersionId"] == first
    assert s3.get_object(Bucket="plain", Key="old")["Body"].read() == b"1"
    marker = s3.delete_object(Bucket="versioned", Key="a")["VersionId"]
    assert refused(lambda: s3.get_object(Bucket="versioned", Key="a")) == ("NoSuchKey", 404)
    assert refused(lambda: s3.head_object(Bucket="versioned", Key="a")) == ("404", 404)
    assert refused(lambda: s3.get_object(Bucket="versioned", Key="a", VersionId=marker)) == ("MethodNotAllowed", 405)
    assert refused(lambda: s3.get_object(Bucket="versioned", Key="a", VersionId="none")) == ("NoSuchVersion", 404)
    assert "Contents" not in s3.list_objects_v2(Bucket="versioned")
    assert s3.delete_object(Bucket="versioned", Key="a", VersionId=marker)["DeleteMarker"]
    assert s3.head_object(Bucket="versioned", Key="a")["VersionId"] == second
    assert s3.delete_object(Bucket="versioned", Key="never")["DeleteMarker"]
    gone = [{"Key": "a", "VersionId": first}, {"Key": "a", "VersionId": second}]
    assert s3.delete_objects(Bucket="versioned", Delete={"Objects": gone})["Deleted"] == gone
    assert refused(lambda: s3.get_object(Bucket="versioned", Key="a")) == ("NoSuchKey", 404)
    assert [one["Key"] for one in s3.list_object_versions(Bucket="versioned")["DeleteMarkers"]] == ["never"]


@pytest.mark.parametrize("bucket", ["plain", "versioned"])
def test_conditions_of_writes(s3: Any, bucket: str) -> None:
    source = {"Bucket": bucket, "Key": "source"}
    s3.put_object(**source, Body=b"x")
    put: Any = {"Bucket": bucket, "Key": "a", "Body": b"1", "IfNoneMatch": "*"}
    copy: Any = {"Bucket": bucket, "Key": "a", "CopySource": source, "IfNoneMatch": "*"}
    etag = s3.put_object(**put)["ETag"]
    assert refused(lambda: s3.put_object(**put)) == ("PreconditionFailed", 412)
    assert refused(lambda: s3.copy_object(**copy)) == ("PreconditionFailed", 412)
    assert refused(lambda: s3.put_object(Bucket=bucket, Key="a", IfMatch='"other"')) == ("PreconditionFailed", 412)
    assert refused(lambda: s3.put_object(Bucket=bucket, Key="none", IfMatch=etag)) == ("NoSuchKey", 404)
    s3.put_object(Bucket=bucket, Key="a", Body=b"2", IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"2"
    s3.delete_object(Bucket=bucket, Key="a")
    s3.copy_object(**copy)
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="a", UploadId=upload, PartNumber=1, Body=b"y")["ETag"]
    parts: Any = {"UploadId": upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part}]}}
    whole: Any = {"Bucket": bucket, "Key": "a", **parts}
    assert refused(lambda: s3.complete_multipart_upload(**whole, IfNoneMatch="*")) == ("PreconditionFailed", 412)
    s3.delete_object(Bucket=bucket, Key="a")
    made = s3.complete_multipart_upload(**whole, IfNoneMatch="*")
    assert s3.complete_multipart_upload(**whole, IfNoneMatch="*")["ETag"] == made["ETag"]


def test_conditions_of_reads(s3: Any) -> None:
    etag = s3.put_object(Bucket="plain", Key="a", Body=b"1")["ETag"]
    asked: Any = {"Bucket": "plain", "Key": "a"}
    assert s3.get_object(**asked, IfMatch=etag)["ETag"] == etag
    assert refused(lambda: s3.get_object(**asked, IfMatch='"b"')) == ("PreconditionFailed", 412)
    assert refused(lambda: s3.head_object(**asked, IfMatch='"b"')) == ("412", 412)
    assert refused(lambda: s3.get_object(**asked, IfNoneMatch=etag)) == ("304", 304)
    source = {"CopySource": "plain/a", "CopySourceIfMatch": '"b"'}
    assert refused(lambda: s3.copy_object(Bucket="plain", Key="b", **source)) == ("PreconditionFailed", 412)
    assert refused(lambda: s3.put_object(Bucket="plain", Key="x" * 1025)) == ("KeyTooLongError", 400)
    assert refused(lambda: s3.put_object(Bucket="none", Key="a")) == ("NoSuchBucket", 404)
    assert refused(lambda: s3.head_object(Bucket="none", Key="a")) == ("404", 404)


def test_a_conflicting_write_changes_nothing() -> None:
    with Cloud(faults=FaultPlan(write_conflict=0.5), latency=Constant()) as cloud:
        s3 = with_buckets(cloud)
        ended = {}
        with calling_as("Function"):
            for number in range(40):
                key = {"Bucket": "plain", "Key": str(number)}
                try:
                    ended[number] = s3.put_object(**key, IfNoneMatch="*")["ResponseMetadata"]["HTTPStatusCode"]
                except ClientError as error:
                    ended[number] = error.response["Error"]["Code"]
        kept = {int(one["Key"]) for one in s3.list_objects_v2(Bucket="plain")["Contents"]}
        assert set(ended.values()) == {200, "ConditionalRequestConflict"}
        assert kept == {number for number, end in ended.items() if end == 200}


def test_pages_are_consistent_and_in_order(s3: Any) -> None:
    for number in range(2500):
        s3.put_object(Bucket="plain", Key=f"in/{number:04}")
    s3.put_object(Bucket="plain", Key="in!")
    s3.put_object(Bucket="plain", Key="out")
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket="plain", Prefix="in/"))
    assert [page["KeyCount"] for page in pages] == [1000, 1000, 500]
    assert [one["Key"] for page in pages for one in page["Contents"]] == [f"in/{number:04}" for number in range(2500)]
    first = s3.list_objects_v2(Bucket="plain", Prefix="in/", MaxKeys=2)
    s3.delete_objects(Bucket="plain", Delete={"Objects": [{"Key": "in/0002"}, {"Key": "in/0003"}], "Quiet": True})
    token = first["NextContinuationToken"]
    rest = s3.list_objects_v2(Bucket="plain", Prefix="in/", ContinuationToken=token)
    assert rest["Contents"][0]["Key"] == "in/0004"
    wrong = refused(lambda: s3.list_objects_v2(Bucket="plain", ContinuationToken="wrong!"))
    assert wrong == ("InvalidArgument", 400)


def test_policies_and_keys_refuse(cloud: Cloud, s3: Any) -> None:
    s3.put_object(Bucket="plain", Key="in/a")
    refusals = cloud.state(Refusals)
    refusals.listed = [
        Refusal(bucket="plain", action="s3:GetObject", prefix="in/", caller="Function"),
        Refusal(bucket="plain", action="s3:ListBucket", caller="Function"),
        Refusal(bucket="plain", action="s3:DeleteObject", prefix="in/"),
        Refusal(bucket="versioned", action="kms:GenerateDataKey"),
    ]
    assert s3.get_object(Bucket="plain", Key="in/a")["ContentLength"] == 0
    with calling_as("Function"):
        with pytest.raises(ClientError, match=r"is not authorized to perform: s3:GetObject .*plain/in/a") as caught:
            s3.get_object(Bucket="plain", Key="in/a")
        assert caught.value.response["Error"]["Code"] == "AccessDenied"
        assert refused(lambda: s3.head_object(Bucket="plain", Key="in/a")) == ("403", 403)
        # Who may not list a bucket does not learn what it lacks.
        assert refused(lambda: s3.get_object(Bucket="plain", Key="gone")) == ("AccessDenied", 403)
        assert refused(lambda: s3.list_objects_v2(Bucket="plain", Prefix="in/")) == ("AccessDenied", 403)
    deleted = s3.delete_objects(Bucket="plain", Delete={"Objects": [{"Key": "in/a"}, {"Key": "b"}]})
    assert ([one["Key"] for one in deleted["Deleted"]], deleted["Errors"][0]["Code"]) == (["b"], "AccessDenied")
    with pytest.raises(ClientError, match="kms:GenerateDataKey"):
        s3.copy_object(Bucket="versioned", Key="a", CopySource="plain/in/a")
    refusals.listed = [Refusal(bucket="plain", action="kms:Decrypt")]
    assert s3.head_object(Bucket="plain", Key="in/a")["ContentLength"] == 0
    assert refused(lambda: s3.get_object(Bucket="plain", Key="in/a")) == ("AccessDenied", 403)


def test_faults_hit_calls_of_functions() -> None:
    plan = FaultPlan(seed=3, throttled=0.15, server_error=0.15, lost_response=0.15)
    with Cloud(faults=plan, latency=Constant()) as cloud:
        s3 = with_buckets(cloud)
        codes = set()
        with calling_as("Function"):
            for number in range(60):
                key: Any = {"Bucket": "versioned", "Key": f"ä {number}"}
                for call in (
                    lambda key=key: s3.put_object(**key, Body=b"1"),
                    lambda key=key: s3.get_object(**key)["Body"].read(),
                    lambda key=key: s3.head_object(**key),
                    lambda key=key: s3.copy_object(Bucket="plain", Key=key["Key"], CopySource=key),
                    lambda key=key: s3.delete_objects(Bucket="plain", Delete={"Objects": [{"Key": key["Key"]}]}),
                ):
                    try:
                        call()
                    except ClientError as error:
                        codes.add(error.response["Error"]["Code"])
            listed = s3.list_objects_v2(Bucket="versioned")["Contents"]
        assert [one["Key"] for one in listed] == sorted({f"ä {number}" for number in range(60)})
        assert all(any(call.attempts > 1 for call in cloud.calls.named(name)) for name in NAMES)
        assert codes <= {"SlowDown", "InternalError", "503", "500"}


def test_versions_are_listed_by_key_the_newest_first(s3: Any) -> None:
    keys = ["ä+1", "a", "b%20"]
    written = {
        key: [s3.put_object(Bucket="versioned", Key=key, Body=body)["VersionId"] for body in (b"1", b"22", b"3")]
        for key in keys
    }
    marker = s3.delete_object(Bucket="versioned", Key="a")["VersionId"]
    s3.put_object(Bucket="plain", Key="ä+1", Body=b"1")
    (alone,) = s3.list_object_versions(Bucket="plain")["Versions"]
    assert (alone["Key"], alone["VersionId"], alone["IsLatest"], alone["Size"]) == ("ä+1", "null", True, 1)

    def listed(**parameters: Any) -> list[tuple[str, str, bool]]:
        answer = s3.list_object_versions(Bucket="versioned", **parameters)
        found = [*answer.get("Versions", []), *answer.get("DeleteMarkers", [])]
        return [(one["Key"], one["VersionId"], one["IsLatest"]) for one in found]

    newest_first = {
        key: [(key, one, one == versions[-1]) for one in versions[::-1]] for key, versions in written.items()
    }
    of_a = [(key, one, False) for key, one, _ in newest_first["a"]]
    assert listed(Prefix="a") == [*of_a, ("a", marker, True)]
    assert listed(KeyMarker="a") == newest_first["b%20"] + newest_first["ä+1"], "the rest of that key is left out"
    assert listed(KeyMarker="b%20", VersionIdMarker=written["b%20"][1])[0] == newest_first["b%20"][-1]
    pages = list(
        s3.get_paginator("list_object_versions").paginate(Bucket="versioned", PaginationConfig={"PageSize": 2})
    )
    assert len(pages) == 5
    found = [one for page in pages for kind in ("Versions", "DeleteMarkers") for one in page.get(kind, [])]
    assert len({(one["Key"], one["VersionId"]) for one in found}) == len(found) == 10
