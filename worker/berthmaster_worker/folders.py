"""The local folders of a job: new ones for each file, and deleted with all that is in them."""

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}\Z", re.ASCII)
"""All that a local name takes over from a key, so that no key reaches the file system or a shell."""


@dataclass(frozen=True)
class Folders:
    """Where the input of a job is, what it writes, and what it may leave for another attempt."""

    input: Path
    output: Path
    checkpoint: Path


@contextmanager
def folders_for(key: str, below: Path) -> Iterator[Folders]:
    """Empty folders for one job."""
    root = Path(tempfile.mkdtemp(prefix="job-", dir=below))
    try:
        found = Folders(root / f"input{extension_of(key)}", root / "output", root / "checkpoint")
        found.output.mkdir()
        found.checkpoint.mkdir()
        yield found
    finally:
        empty(root)


def extension_of(key: str) -> str:
    """The extension of a key if it is a plain one, else nothing: commands that tell formats by it find it."""
    found = EXTENSION.search(key.rpartition("/")[2])
    return found[0] if found else ""


def empty(root: Path) -> None:
    """Delete a folder, also what a command has made unreadable."""
    for parent, folders, _ in os.walk(root):
        for name in folders:
            path = Path(parent) / name
            if not path.is_symlink():
                path.chmod(stat.S_IRWXU)
    shutil.rmtree(root, ignore_errors=True)
