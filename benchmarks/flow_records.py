"""How fast flow-log records become credits of rules, beside what a user would take instead, on the same files."""

from __future__ import annotations

import csv
import gzip
import resource
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import TYPE_CHECKING

import duckdb

from benchmarks import flow_log_files
from berthmaster.security_groups.observe import flow_files
from berthmaster.security_groups.plan.matching import credit
from simulator.demo.bill import PRICES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

RECORDS = 1_000_000
AIM = 0.8
"""Of the floor's records in a second of CPU."""
MEMORY_AIM = 1.0
"""GB."""
GB_OF_A_CPU = 1769 / 1024
"""Memory with which Lambda gives a function one CPU."""
FILE_BYTES = 75_000_000
"""Of a full file; AWS begins another one then."""

FLOOR = """
SELECT count(*) FROM (
    SELECT "interface-id", "flow-direction", protocol, "tcp-flags", action,
        CASE WHEN "flow-direction" = 'ingress' THEN dstport ELSE srcport END AS port,
        CASE WHEN "flow-direction" = 'ingress' THEN srcaddr ELSE dstaddr END AS peer,
        count(*), sum(bytes), min(start), max("end")
    FROM {source} WHERE "log-status" = 'OK' GROUP BY ALL
)"""
SAMPLE = """
SELECT "interface-id", dstport, protocol, "flow-direction", srcaddr, dstaddr, count(*) FROM {source} GROUP BY ALL"""


@dataclass(frozen=True)
class Speed:
    """Of one way: CPU seconds for all records, and the most memory in GB."""

    cpu: float
    memory: float


@dataclass(frozen=True)
class Report:
    """By form of the files and way. bytes: of all files, by form."""

    speeds: Mapping[tuple[str, str], Speed]
    bytes: Mapping[str, int]


def _source(paths: Sequence[Path]) -> str:
    files = [str(path) for path in paths]
    return f"read_parquet({files})" if files[0].endswith("parquet") else f"read_csv({files}, delim=' ', nullstr='-')"


def _floor(paths: Sequence[Path]) -> None:
    """Sum records up, and do nothing with the sums."""
    with duckdb.connect(config={"threads": 2}) as database:
        database.execute("SET enable_progress_bar = false")
        database.execute(FLOOR.format(source=_source(paths))).fetchall()


def _berthmaster(paths: Sequence[Path]) -> None:
    topology = flow_log_files.topology()
    reading = flow_files.read(paths, topology)
    if reading.problems or not credit(reading.flows, topology):
        raise AssertionError(reading.problems)


def _sample(paths: Sequence[Path]) -> None:
    """As aws-samples' analysis of stale rules does: rows of a query, compared by port and protocol, one by one."""
    topology = flow_log_files.topology()
    ports = Counter[tuple[str, int]]()
    with duckdb.connect(config={"threads": 2}) as database:
        database.execute("SET enable_progress_bar = false")
        rows = database.execute(SAMPLE.format(source=_source(paths))).fetchall()
    rules = {
        id_: [span.value for spans in topology.rules.values() for span in spans if span.value.group in interface.groups]
        for id_, (interface_span,) in topology.interfaces.items()
        for interface in [interface_span.value]
    }
    for interface, port, _, direction, *_ in rows:
        for rule in rules[interface]:
            if rule.direction == direction and rule.ports[0] <= port <= rule.ports[1]:
                ports[rule.id, port] += 1


def _row_by_row(paths: Sequence[Path]) -> None:
    """As a script does: a dictionary for each record, summed up."""
    found = Counter[tuple[str, ...]]()
    for path in paths:
        with gzip.open(path, "rt") as file:
            for row in csv.DictReader(file, delimiter=" "):
                inbound = row["flow-direction"] == "ingress"
                port, peer = (row["dstport"], row["srcaddr"]) if inbound else (row["srcport"], row["dstaddr"])
                found[row["interface-id"], row["protocol"], row["action"], port, peer] += 1


WAYS: dict[str, Callable[[Sequence[Path]], None]] = {
    "DuckDB's plain aggregation": _floor,
    "Berthmaster, rules matched": _berthmaster,
    "the aws-samples method": _sample,
    "row by row in Python": _row_by_row,
}


def _measured(way: str, paths: Sequence[Path]) -> Speed:
    """In a process of its own."""
    before = process_time()
    WAYS[way](paths)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Speed(process_time() - before, most / (1e9 if sys.platform == "darwin" else 1e6))


@cache
def report(records: int = RECORDS) -> Report:
    """Measure each way on the same files; those of text are not read row by row as Parquet."""
    speeds, sizes = {}, {}
    with TemporaryDirectory() as folder:
        for form in flow_log_files.FORMS:
            paths = flow_log_files.write(Path(folder), form, records)
            sizes[form] = sum(path.stat().st_size for path in paths)
            for way in WAYS:
                if (form, way) != ("parquet", "row by row in Python"):
                    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                        speeds[form, way] = pool.submit(_measured, way, paths).result()
    return Report(speeds, sizes)


def printed(found: Report) -> Iterator[str]:
    """Line by line."""
    yield f"{RECORDS:,} records of a VPC with {flow_log_files.INTERFACES} interfaces and {_rules():,} rules"
    for (form, way), speed in found.speeds.items():
        floor = found.speeds[form, "DuckDB's plain aggregation"]
        yield (
            f"{form:8} {way:28} {RECORDS / speed.cpu / 1e6:6.2f} million records a CPU second, "
            f"{floor.cpu / speed.cpu:5.0%} of the floor, {speed.memory:.2f} GB at most"
        )
    yield f"aims of Berthmaster: {AIM:.0%} of the floor, {MEMORY_AIM:.0f} GB"
    for form, size in found.bytes.items():
        cpu = found.speeds[form, "Berthmaster, rules matched"].cpu
        billion = 1e9 / RECORDS
        dollars = cpu * billion * GB_OF_A_CPU * PRICES["Lambda GB-second, arm64"]
        files = size * billion / FILE_BYTES
        yield f"a billion records as {form}: ${dollars:.2f} of Lambda's time, in {files:,.0f} full files"


def _rules() -> int:
    return len(flow_log_files.topology().rules)
