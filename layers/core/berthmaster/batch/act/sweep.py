"""Deleting what launches have written that is no result."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from berthmaster.batch.model.files import File
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.plan.leftovers import launches_to_sweep
from berthmaster.batch.plan.places import output_prefix
from berthmaster.errors import Refused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def sweep_attempts(s3: "S3Client", file: File, pipeline: Pipeline, *, may_go_on: Callable[[], bool]) -> bool:
    """Delete all that launches of a file have written which has come to its end, but for its result.

    Returns whether nothing is left; may_go_on: asked before each page of objects. In a bucket with versioning they get
    delete markers. What was written by the document of an earlier pipeline version to another bucket or prefix stays.

    Errors: Refused if S3 does not delete an object.
    """
    bucket = pipeline.output.bucket
    for number in launches_to_sweep(file):
        prefix = output_prefix(pipeline, file, number)
        while True:
            if not may_go_on():
                return False
            page = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
            keys = [one["Key"] for one in page.get("Contents", [])]
            if keys:
                answer = s3.delete_objects(
                    Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
                )
                for error in answer.get("Errors", []):
                    raise Refused("DeleteObjects", error.get("Code", ""), f"{error.get('Key')}: {error.get('Message')}")
            if not page["IsTruncated"]:
                break
    return True
