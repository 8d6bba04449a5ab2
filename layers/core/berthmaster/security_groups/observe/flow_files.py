"""Files of VPC flow logs, text or Parquet → flows and coverage.

DuckDB does the work: the records of a batch of files are read once, and become connections; connections are classified,
ephemeral ports are dropped, and what is alike for every rule is summed. Only the functions that have the layer
`flow_logs` import this module.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from itertools import islice
from typing import TYPE_CHECKING

import duckdb

from berthmaster.security_groups.model.flows import Coverage, Flow, Quality
from berthmaster.security_groups.model.rules import TCP, UDP
from berthmaster.security_groups.observe import flow_queries
from berthmaster.security_groups.observe.flow_formats import FlowFile, UnreadableFile, format_of, problem_of
from berthmaster.security_groups.plan.coverage import merged

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from berthmaster.security_groups.model.topology import Address, Topology

BATCH_BYTES = 64_000_000
"""Compressed bytes of files that are read at a time: what their records need is in memory at once."""
FETCHED = 20_000
LOG_ID = re.compile(r"_(fl-[0-9a-f]+)_")
SUFFIXES = (".log", ".log.gz", ".gz", ".txt", ".parquet")


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A file that nothing was read of. log: id of the flow log, or "" if its name does not tell it."""

    path: str
    log: str
    problem: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What files say."""

    flows: list[Flow]
    coverage: list[Coverage]
    problems: list[FileProblem]


def files_below(folder: Path) -> list[Path]:
    """Files of flow logs in a folder and the folders in it, by their names."""
    return [path for path in _all_below(folder) if path.name.lower().endswith(SUFFIXES)]


def others_below(folder: Path) -> list[Path]:
    """Files there that no flow log writes, by their names."""
    return [path for path in _all_below(folder) if not path.name.lower().endswith(SUFFIXES)]


def _all_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def read(
    paths: Sequence[Path],
    topology: Topology,
    *,
    memory: str = "700MB",
    threads: int = 2,
    most_flows: int | None = None,
) -> Reading:
    """What files say, all together; a file that cannot be read whole gives a problem, and nothing else.

    topology: its flow logs say how files without a header are to be read, its interfaces which side of a record is the
    interface's own, its rules which ports are alike. memory: DuckDB's limit, beyond which it writes temporary files.
    most_flows: raises UnreadableFile rather than keep more flows, some 900 bytes each; no limit if None.
    """
    files, problems = _recognised(_once(paths), topology)
    while True:
        try:
            flows, coverage = _read(files, topology, memory, threads, most_flows)
        except (duckdb.Error, ValueError) as error:
            found = {file: problem for file in files if (problem := _problem_of(file, topology, memory, threads))}
            if not found:
                raise UnreadableFile(str(error)) from error
            problems += [FileProblem(str(file.path), file.log, problem) for file, problem in found.items()]
            files = [file for file in files if file not in found]
        else:
            return Reading(flows, coverage, sorted(problems, key=lambda one: one.path))


def _once(paths: Sequence[Path]) -> list[Path]:
    """Without copies: AWS's names are unique, so files of one name and content are one that was delivered twice."""
    by_name = defaultdict[str, list["Path"]](list)
    for path in paths:
        by_name[path.name].append(path)
    found = []
    for same in by_name.values():
        if len(same) == 1:
            found += same
        else:
            found += {hashlib.sha256(path.read_bytes()).digest(): path for path in reversed(same)}.values()
    return sorted(found)


def _recognised(paths: Sequence[Path], topology: Topology) -> tuple[list[FlowFile], list[FileProblem]]:
    files, problems = [], []
    declared = topology.flow_logs or {}
    for path in paths:
        named = LOG_ID.search(path.name)
        log = named[1] if named else next(iter(declared)) if len(declared) == 1 else ""
        try:
            found = format_of(path, declared[log].fields if log in declared else ())
        except UnreadableFile as error:
            problems.append(FileProblem(str(path), log, str(error)))
        else:
            if found:
                files.append(FlowFile(path, log, found))
    return files, problems


def _problem_of(file: FlowFile, topology: Topology, memory: str, threads: int) -> str:
    """Why a file cannot be read, or ""."""
    try:
        _read([file], topology, memory, threads)
    except (duckdb.Error, ValueError) as error:
        return problem_of(error)
    return ""


def _read(
    files: Collection[FlowFile], topology: Topology, memory: str, threads: int, most_flows: int | None = None
) -> tuple[list[Flow], list[Coverage]]:
    with duckdb.connect(config=flow_queries.configuration(memory, threads)) as database:
        flow_queries.prepare(database, _port_boundaries(topology))
        coverage = _Coverage()
        batches = list(_batches(files))
        for batch in batches:
            flow_queries.load(database, batch)
            coverage.add(database, batch)
        flow_queries.assign_sides(database, _held(database, topology), is_one_batch=len(batches) == 1)
        flows = list(islice(_flows(database), most_flows + 1 if most_flows else None))
        if most_flows and len(flows) > most_flows:
            raise UnreadableFile(f"says more than {most_flows:,} different things: more peers than memory is there for")
        return flows, coverage.found()


def _batches(files: Iterable[FlowFile]) -> Iterator[list[FlowFile]]:
    batch: list[FlowFile] = []
    size = 0
    for file in files:
        batch.append(file)
        size += file.path.stat().st_size
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _port_boundaries(topology: Topology) -> list[int]:
    """Where a range of ports begins: between two of them, ports are alike for every rule."""
    versions = (span.value for spans in topology.rules.values() for span in spans)
    ranges = {rule.ports for rule in versions if rule.protocol in (TCP, UDP)}
    return sorted({0} | {first for first, _ in ranges} | {last + 1 for _, last in ranges})


def _held(database: duckdb.DuckDBPyConnection, topology: Topology) -> list[tuple[str, str]]:
    """Interfaces with the addresses that are theirs, of those that records name without saying the direction."""
    return [
        (interface, address)
        for interface, address in flow_queries.undirected(database)
        if any(
            found in span.value.addresses or any(found in prefix for prefix in span.value.prefixes)
            for found in [_address(address)]
            for span in topology.interfaces.get(interface, ())
        )
    ]


@lru_cache(maxsize=200_000)
def _address(text: str) -> Address:
    return ip_address(text)


def _flows(database: duckdb.DuckDBPyConnection) -> Iterator[Flow]:
    cursor = flow_queries.flows(database)
    qualities = tuple(Quality)
    while rows := cursor.fetchmany(FETCHED):
        for log, interface, vpc, protocol, inbound, quality, peer, vias, p0, p1, q0, q1, records, first, last in rows:
            yield Flow(
                log,
                interface,
                vpc or "",
                protocol,
                inbound,
                qualities[quality],
                _address(peer),
                tuple(map(_address, vias.split())) if vias else (),
                (p0, p1),
                (q0, q1),
                records,
                first,
                last,
            )


class _Coverage:
    """Coverage, batch by batch."""

    def __init__(self) -> None:
        self._logs: dict[str, Coverage] = {}

    def add(self, database: duckdb.DuckDBPyConnection, batch: Collection[FlowFile]) -> None:
        """What the batch that is loaded says."""
        fields: dict[str, tuple[str, ...]] = {}
        for file in batch:
            known = fields.get(file.log, file.format.fields)
            fields[file.log] = tuple(one for one in known if one in file.format.fields)
        skipped = flow_queries.skipped(database)
        for log, first, last, longest, slots, vpcs, actions in flow_queries.logged(database):
            found = Coverage(
                log=log,
                first=first,
                last=last,
                longest=longest,
                slots=frozenset(slots),
                vpcs=frozenset(filter(None, vpcs or ())),
                interfaces=flow_queries.interfaces(database, log),
                skipped=skipped.get(log, {}),
                actions=frozenset(filter(None, actions or ())),
                fields=fields[log],
            )
            self._logs[log] = merged(self._logs[log], found) if log in self._logs else found

    def found(self) -> list[Coverage]:
        """Of each log, in order of their ids."""
        return [self._logs[log] for log in sorted(self._logs)]
