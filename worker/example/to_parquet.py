"""CSV to Parquet: a pipeline of Berthmaster whose image has this program as its entry point.

Rows go through in blocks, so that a file needs no more memory than one of them, whatever its size. A file that is no
CSV, or whose columns change their type on the way, is rejected (exit code 3): to try again would help nobody.
"""

import sys

import pyarrow as pa
from pyarrow import csv, parquet

import berthmaster_worker

REJECTED = 3


def process(job: berthmaster_worker.Job) -> int:
    """Convert one file; returns the exit code."""
    try:
        with (
            csv.open_csv(job.input) as rows,
            parquet.ParquetWriter(job.output / "table.parquet", rows.schema, compression="zstd") as table,
        ):
            for block in rows:
                table.write_batch(block)
    except pa.ArrowInvalid as error:
        print(f"{job.source.key!r} is rejected: {error}", file=sys.stderr)  # noqa: T201 - for the log of the task
        return REJECTED
    return 0


if __name__ == "__main__":
    berthmaster_worker.run(process)
