"""Checkpoints: what a command that is stopped leaves for the next attempt at its file, as one object, a tar file."""

import logging
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from berthmaster_worker.errors import LostInput, code_of
from berthmaster_worker.model import Input
from berthmaster_worker.objects import Check, download, upload

NAME = ".checkpoint"
"""Of its object, below the output prefix of the attempt."""
LOOKED_AT = 10
"""Attempts before this one that may have left a checkpoint."""
UNREADABLE = ("AccessDenied", "403")

log = logging.getLogger("berthmaster_worker")


def restore(s3: Any, bucket: str, prefixes: list[str], folder: Path, check: Check) -> bool:
    """Fill a folder with the checkpoint of the newest attempt that has left one; returns whether there was any.

    prefixes: of the attempts before this one, the newest first.
    """
    for prefix in prefixes[:LOOKED_AT]:
        source = Input(file="", bucket=bucket, key=f"{prefix}{NAME}", version_id="", etag="")
        with tempfile.NamedTemporaryFile(dir=folder.parent) as packed:
            try:
                download(s3, source, Path(packed.name), check)
            except LostInput:
                continue
            except ClientError as error:
                if code_of(error) not in UNREADABLE:
                    raise
                # Without s3:ListBucket, S3 does not say whether the object or the permission is lacking.
                log.info("no checkpoint at s3://%s/%s, or no permission to read it", bucket, source.key)
                continue
            try:
                with tarfile.open(packed.name) as archive:
                    _extract(archive, folder)
            except tarfile.TarError as error:
                log.warning("the checkpoint s3://%s/%s cannot be read: %s", bucket, source.key, error)
                continue
            return True
    return False


def save(s3: Any, bucket: str, prefix: str, folder: Path, check: Check) -> bool:
    """Upload what a folder holds; returns whether it holds anything."""
    if not any(folder.iterdir()):
        return False
    with tempfile.NamedTemporaryFile(dir=folder.parent) as packed:
        with tarfile.open(packed.name, "w") as archive:
            archive.add(folder, arcname="")
        upload(s3, Path(packed.name), bucket, f"{prefix}{NAME}", check)
    return True


def _extract(archive: tarfile.TarFile, folder: Path) -> None:
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
    else:  # Python 3.10 and 3.11 before the releases of June 2023; only this worker writes there
        archive.extractall(folder)  # noqa: S202
