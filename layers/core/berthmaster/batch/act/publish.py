"""Publishing: copies of a result's objects under stable names."""

from typing import TYPE_CHECKING

from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.results import Manifest
from berthmaster.batch.plan.places import published_prefix

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def publish(s3: "S3Client", manifest: Manifest, pipeline: Pipeline) -> None:
    """Copy all objects of a result; does no harm when it is done again."""
    prefix = published_prefix(pipeline, manifest.input.key)
    for one in manifest.objects:
        s3.copy_object(
            Bucket=manifest.output_bucket,
            Key=f"{prefix}{one.path}",
            CopySource={"Bucket": manifest.output_bucket, "Key": one.key},
            CopySourceIfMatch=one.etag,
        )
