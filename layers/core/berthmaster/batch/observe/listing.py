"""Listings of input objects, within the pages that one run may read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from berthmaster.batch.model.pipelines import Input
from berthmaster.batch.model.sweep import ListedObject

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
