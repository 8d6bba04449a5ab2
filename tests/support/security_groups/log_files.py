"""Files of flow logs, as AWS writes them: text with a header, or Parquet."""

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

VERSIONS = {
    2: """version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action
          log-status""",
    3: "vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr",
    4: "region az-id sublocation-type sublocation-id",
    5: "pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path",
    7: """ecs-cluster-arn ecs-cluster-name ecs-container-instance-arn ecs-container-instance-id ecs-container-id
          ecs-second-container-id ecs-service-name ecs-task-definition-arn ecs-task-arn ecs-task-id""",
    8: "reject-reason",
    9: "resource-id",
    10: "encryption-status",
    11: "interface-type next-hop-interface-id next-hop-subnet-id next-hop-vpc-id",
}
VERSION_OF = {name: version for version, names in VERSIONS.items() for name in names.split()}
NEEDED = (
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "start",
    "end",
    "action",
    "log-status",
)
"""Without these, nothing can be said of a record."""
INT_32 = ("version", "srcport", "dstport", "protocol", "tcp-flags", "traffic-path")
INT_64 = ("packets", "bytes", "start", "end")


def fields_of(version: int) -> tuple[str, ...]:
    """All fields of the records of a version."""
    return tuple(name for name, since in VERSION_OF.items() if since <= version)


@dataclass(frozen=True)
class LogFile:
    """A file and what is in it: rows with no other fields than its own; `-` or nothing is a value that is missing.

    path: below the directory. integers: the type of numbers in Parquet if it is not AWS's.
    """

    path: str
    fields: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    has_underscores: bool = True
    integers: str = ""

    @property
    def log(self) -> str:
        """The flow log that the name tells."""
        found = re.search(r"_(fl-[0-9a-f]+)_", self.path)
        return found.group(1) if found else ""

    def write(self, directory: Path) -> Path:
        """Write it, by the ending of its name."""
        path = directory / self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            self._write_parquet(path)
        elif path.suffix == ".gz":
            path.write_bytes(gzip.compress(self.text().encode(), mtime=0))
        else:
            path.write_text(self.text())
        return path

    def text(self) -> str:
        """Header and lines."""
        lines = [self.fields, *([row.get(name, "-") for name in self.fields] for row in self.rows)]
        return "".join(" ".join(line) + "\n" for line in lines)

    def _write_parquet(self, path: Path) -> None:
        columns = ", ".join(f'"{self._column(name)}" {self._type(name)}' for name in self.fields)
        with duckdb.connect() as connection:
            connection.execute(f"CREATE TABLE records ({columns})")
            if self.rows:
                values = [[_value(row.get(name, "-")) for name in self.fields] for row in self.rows]
                places = ", ".join("?" for _ in self.fields)
                connection.executemany(f"INSERT INTO records VALUES ({places})", values)  # noqa: S608 - marks only
            connection.execute(f"COPY records TO '{path}' (FORMAT parquet)")

    def _column(self, name: str) -> str:
        return name.replace("-", "_") if self.has_underscores else name

    def _type(self, name: str) -> str:
        if name in INT_32:
            return self.integers or "INTEGER"
        if name in INT_64:
            return "BIGINT"
        return "VARCHAR"


def _value(text: str) -> str | None:
    return None if text == "-" else text


def name_of(log: str, minute: int, part: str = "a0", ending: str = "log.gz") -> str:
    """As AWS names the file of an account in Ireland that was begun in a minute of 2023-11-14, 22:00 to 22:59."""
    stamp = f"20231114T22{minute:02}Z"
    folder = "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2023/11/14"
    return f"{folder}/123456789012_vpcflowlogs_eu-west-1_{log}_{stamp}_{part}.{ending}"
