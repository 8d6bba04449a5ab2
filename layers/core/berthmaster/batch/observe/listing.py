"""Listings of input objects: within the pages that one run may read, or with the ids of their versions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from berthmaster.batch.model.backfills import ListedVersion
from berthmaster.batch.model.pipelines import Input
from berthmaster.batch.model.sweep import ListedObject
from berthmaster.batch.plan.identity import own_version_id
from berthmaster.errors import MissingEvidence

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(slots=True)
class Listings:
    """Pages of up to 1,000 objects, so many in all."""

    s3: "S3Client"
    pages_left: int
    may_go_on: Callable[[], bool]

    def page(self, source: Input, after: str) -> tuple[list[ListedObject], bool] | None:
        """The objects of an input that follow a key, and whether there are more; None if no page or time is left."""
        if not self.pages_left or not self.may_go_on():
            return None
        self.pages_left -= 1
        answer = self.s3.list_objects_v2(Bucket=source.bucket, Prefix=source.prefix, StartAfter=after)
        found = [
            ListedObject(key=one["Key"], etag=one["ETag"].strip('"'), size=one["Size"], modified=one["LastModified"])
            for one in answer.get("Contents", [])
        ]
        return found, answer["IsTruncated"]


def current_versions(s3: "S3Client", bucket: str, prefix: str, after: str) -> tuple[list[ListedVersion], str]:
    """The current objects among up to 1,000 versions whose keys follow a key, and the last key; empty if none follows.

    ListObjectVersions, unlike ListObjectsV2, says of which version an object is, also that it has none of its own. The
    newest version of a key comes first; what is left of the last key at the end of a page is skipped by its marker.
    """
    answer = s3.list_object_versions(Bucket=bucket, Prefix=prefix, KeyMarker=after)
    versions, markers = answer.get("Versions", []), answer.get("DeleteMarkers", [])
    found = [
        ListedVersion(
            key=one["Key"],
            version_id=own_version_id(one["VersionId"]),
            etag=one["ETag"].strip('"'),
            size=one["Size"],
            modified=one["LastModified"],
        )
        for one in versions
        if one["IsLatest"]
    ]
    if not answer["IsTruncated"]:
        return found, ""
    last = max((one["Key"] for one in (*versions, *markers)), default="")
    if last <= after:
        raise MissingEvidence(f"the listing of {bucket} does not go on after {after!r}")
    return found, last
