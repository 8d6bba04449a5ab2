"""How a file of a flow log is to be read: text or Parquet, and which fields in which order."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from berthmaster.errors import BerthmasterError

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_FIELDS = (
    *("version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol"),
    *("packets", "bytes", "start", "end", "action", "log-status"),
)
"""Of version 2, whose order is fixed."""
NEEDED = ("interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "start", "end", "action")
"""Without these, nothing can be said of rules."""
LONGEST_HEADER = 10_000
LONGEST_PROBLEM = 300
GZIP = b"\x1f\x8b"
FIELD = re.compile(r"[a-z][a-z0-9_-]*")


class UnreadableFile(BerthmasterError):
    """A file that is no file of a flow log, or whose records say nothing of rules."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a file is to be read. fields: with hyphens. columns: as the file names them. has_header: of text."""

    fields: tuple[str, ...]
    columns: tuple[str, ...]
    is_parquet: bool = False
    is_compressed: bool = False
    has_header: bool = False


@dataclass(frozen=True, slots=True)
class FlowFile:
    """A file of a flow log. log: id of the flow log, or ""."""

    path: Path
    log: str
    format: Format


def format_of(path: Path, declared: tuple[str, ...] = ()) -> Format | None:
    """How to read a file; None if it is empty. UnreadableFile if it cannot be read.

    declared: fields of the flow log, in order, for text without a header line.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if not magic:
            return None
        found = _parquet(path) if magic == b"PAR1" else _text(path, magic.startswith(GZIP), declared)
    except (OSError, EOFError, zlib.error, duckdb.Error, UnicodeDecodeError) as error:
        raise UnreadableFile(f"cannot be read: {problem_of(error)}") from error
    if found and (missing := [name for name in NEEDED if name not in found.fields]):
        raise UnreadableFile(f"lacks {', '.join(missing)}: without that, no rule can be credited")
    if found and len(set(found.fields)) < len(found.fields):
        raise UnreadableFile("names a field twice")
    return found


def problem_of(error: Exception) -> str:
    """What an error of DuckDB or Python says of a file, in one line: not what to try, nor the query, nor the record."""
    text = re.split(r"\n *(?:Possible|LINE 1|This type was)", str(error), maxsplit=1)[0]
    text = re.sub(r"\nOriginal Line:.*", "", text)
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:LONGEST_PROBLEM]


def _parquet(path: Path) -> Format:
    with duckdb.connect() as database:
        columns = tuple(
            name for name, *_ in database.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
        )
    return Format(tuple(name.replace("_", "-").lower() for name in columns), columns, is_parquet=True)


def _text(path: Path, is_compressed: bool, declared: tuple[str, ...]) -> Format | None:  # noqa: FBT001 - of the file
    with gzip.open(path) if is_compressed else path.open("rb") as file:
        line = file.readline(LONGEST_HEADER).decode()
    words = tuple(line.split())
    if not words:
        return None
    if all(FIELD.fullmatch(word) for word in words):
        names = tuple(word.replace("_", "-") for word in words)
        return Format(names, words, is_compressed=is_compressed, has_header=True)
    if not declared and len(words) == len(DEFAULT_FIELDS) and words[0] == "2":
        declared = DEFAULT_FIELDS
    if not declared:
        raise UnreadableFile("has no header line, and its flow log's format is not known")
    return Format(declared, declared, is_compressed=is_compressed)
