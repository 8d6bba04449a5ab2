"""Reports in the application's bucket: the newest of each day, and the newest of all."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LATEST = "reports/latest"
CONTENT_TYPES = {
    "json": "application/json",
    "html": "text/html; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
}


class ReportStore:
    """The reports in one bucket."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def save(self, at: datetime, files: Mapping[str, bytes]) -> str:
        """Save the files of a report by their names; returns the address of the folder of its day."""
        folder = f"reports/{at:%Y-%m-%d}"
        for place in (folder, LATEST):
            for name, body in files.items():
                self._s3.put_object(
                    Bucket=self._bucket,
                    Key=f"{place}/{name}",
                    Body=body,
                    ContentType=CONTENT_TYPES[name.rpartition(".")[2]],
                )
        return f"s3://{self._bucket}/{folder}/"

    def latest(self, name: str) -> bytes | None:
        """A file of the newest report; None if there is none."""
        try:
            return self._s3.get_object(Bucket=self._bucket, Key=f"{LATEST}/{name}")["Body"].read()
        except ClientError as error:
            if code_of(error) == "NoSuchKey":
                return None
            raise
