"""The size of what ships to Lambda: both layers and both functions."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
SAM_BUILD = ROOT / ".aws-sam" / "build"
LIMIT = 250 * 2**20
"""Bytes that a function and its layers may have unzipped (Lambda quotas)."""


@dataclass(frozen=True)
class Part:
    """A layer or a function, in bytes."""

    name: str
    unzipped: int
    zipped: int


@dataclass(frozen=True)
class Report:
    """The parts, and where they were found."""

    source: str
    parts: tuple[Part, ...]


def report() -> Report:
    """Weigh what `sam build` made, or else what it would make."""
    if (SAM_BUILD / "template.yaml").exists():
        built = [folder for folder in sorted(SAM_BUILD.iterdir()) if folder.is_dir()]
        return Report("sam build", tuple(map(_weigh, built)))
    with tempfile.TemporaryDirectory() as folder:
        return Report("a build for arm64 like SAM's", tuple(map(_weigh, _build(Path(folder)))))


def _build(target: Path) -> Iterator[Path]:
    dependencies = target / "DependenciesLayer"
    subprocess.run(  # noqa: S603 - no part of it comes from outside
        [
            *(_uv(), "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:"),
            *("--python-platform", "aarch64-manylinux2014", "--python-version", "3.13"),
            *("--target", dependencies / "python", "--requirements", ROOT / "layers/dependencies/requirements.txt"),
        ],
        check=True,
    )
    yield dependencies
    yield _copied(ROOT / "layers/core", target / "CoreLayer" / "python").parent
    for function in sorted((ROOT / "functions").iterdir()):
        yield _copied(function, target / function.name)


def _copied(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__")))


def _uv() -> str:
    """The machine's uv if it runs, else the one that `make setup` fetched."""
    for candidate in ("uv", str(ROOT / ".tools/bin/uv")):
        try:
            works = subprocess.run([candidate, "--version"], capture_output=True, check=False)  # noqa: S603 - as above
        except FileNotFoundError:
            continue
        if works.returncode == 0:
            return candidate
    raise FileNotFoundError("no uv: `make setup` fetches one")


def _weigh(folder: Path) -> Part:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    archive = io.BytesIO()
    with ZipFile(archive, "w", ZIP_DEFLATED) as packed:
        for path in files:
            packed.write(path, path.relative_to(folder))
    return Part(folder.name, sum(path.stat().st_size for path in files), len(archive.getvalue()))


def printed(found: Report) -> Iterator[str]:
    """Kilobytes."""
    yield f"  {found.source:28s}{'unzipped':>12s}{'zipped':>12s}"
    for part in found.parts:
        yield f"  {part.name:28s}{part.unzipped / 1024:9.0f} KB{part.zipped / 1024:9.0f} KB"
    unzipped, zipped = sum(part.unzipped for part in found.parts), sum(part.zipped for part in found.parts)
    yield f"  {'all':28s}{unzipped / 1024:9.0f} KB{zipped / 1024:9.0f} KB"
    yield f"  {unzipped / LIMIT:.1%} of the 250 MB that Lambda allows"
