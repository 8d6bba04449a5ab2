"""Files of flow logs: their keys in a bucket, and what is in them.

Source: "Flow log files" of the VPC User Guide. That Parquet has underscores in the names of columns and `.log.parquet`
at the end of a key is from memory.
"""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from simulator.aws.ec2.flow_logs.capture import SLOT
from simulator.aws.ec2.flow_logs.fields import INTEGERS
from simulator.aws.ec2.flow_logs.records import ABSENT, values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.aws.ec2.flow_logs.flow_log import FlowLog
    from simulator.aws.ec2.flow_logs.records import Record

TEXT = "VARCHAR"


def key(log: FlowLog, account: str, region: str, slot: int, body: bytes) -> str:
    """The key of the object that holds the records of a slot."""
    at = datetime.fromtimestamp(slot * SLOT, UTC)
    if log.is_hive:
        day = f"year={at:%Y}/month={at:%m}/day={at:%d}/" + (f"hour={at:%H}/" if log.is_hourly else "")
        folder = f"aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/{day}"
    else:
        folder = f"{account}/vpcflowlogs/{region}/{at:%Y/%m/%d}/" + (f"{at:%H}/" if log.is_hourly else "")
    name = f"{account}_vpcflowlogs_{region}_{log.id}_{at:%Y%m%dT%H%MZ}_{sha256(body).hexdigest()[:8]}"
    return f"{log.prefix}AWSLogs/{folder}{name}.log.{'parquet' if log.is_parquet else 'gz'}"


def body(log: FlowLog, records: Sequence[Record]) -> bytes:
    """A file with these records."""
    lines = [log.names, *values(log, records)]
    text = "".join(f"{' '.join(line)}\n" for line in lines)
    return _parquet(log, text) if log.is_parquet else gzip.compress(text.encode(), compresslevel=1, mtime=0)


def _parquet(log: FlowLog, text: str) -> bytes:
    import duckdb  # noqa: PLC0415 - of development only, and most simulations write text

    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        source, target = Path(folder, "records.csv"), Path(folder, "records.parquet")
        source.write_text(text)
        types = {name: INTEGERS.get(name, TEXT) for name in log.names}
        columns = ", ".join(_column(name, kind) for name, kind in types.items())
        records = f"read_csv('{source}', delim=' ', header=true, quote='', nullstr='{ABSENT}', columns={types})"
        connection.execute(f"COPY (SELECT {columns} FROM {records}) TO '{target}' (FORMAT parquet, COMPRESSION gzip)")  # noqa: S608 - names of fields
        return target.read_bytes()


def _column(name: str, kind: str) -> str:
    """A column of Parquet, from one of text: numbers that are absent are null."""
    value = f"coalesce(\"{name}\", '{ABSENT}')" if kind == TEXT else f'"{name}"'
    return f'{value} AS "{name.replace("-", "_")}"'
