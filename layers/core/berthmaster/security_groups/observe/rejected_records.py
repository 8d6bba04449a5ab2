"""A file of VPC flow logs → what was rejected, as far as rules that are being removed may have allowed it.

Only the functions that have the layer `flow_logs` import this module.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from berthmaster.security_groups.model.rejections import Rejected
from berthmaster.security_groups.model.rules import ANY, TCP, UDP, Direction
from berthmaster.security_groups.observe.flow_formats import FlowFile, UnreadableFile, format_of, problem_of
from berthmaster.security_groups.observe.flow_queries import configuration, records_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from berthmaster.security_groups.model.topology import Address

FETCHED = 20_000

# Who sends SYN-ACK, or RST alone, answers. Attempts from several ports are one row.
REJECTED = f"""
WITH rejected AS (
    SELECT interface, any_value(vpc) AS vpc, direction, protocol,
        CASE WHEN protocol IN ({TCP}, {UDP}) THEN dstport ELSE 0 END AS port,
        srcaddr, dstaddr, pktsrc, pktdst, count(*) AS records, min(start) AS first, max("end") AS last
    FROM ({{records}})
    WHERE status = 'OK' AND action = 'REJECT' AND interface IS NOT NULL AND protocol IS NOT NULL
        AND srcaddr IS NOT NULL AND dstaddr IS NOT NULL
        AND NOT (protocol = {TCP} AND flags IS NOT NULL AND (flags & 18 = 18 OR flags & 22 = 4))
    GROUP BY interface, direction, protocol, port, srcaddr, dstaddr, pktsrc, pktdst
)
SELECT interface, vpc, direction, protocol, port, srcaddr, dstaddr, pktsrc, pktdst, records, first, last
FROM rejected
WHERE EXISTS (
    FROM asked
    WHERE asked.protocol IN ({ANY}, rejected.protocol) AND coalesce(rejected.direction = asked.direction, true)
        AND (rejected.protocol NOT IN ({TCP}, {UDP}) OR rejected.port BETWEEN asked.low AND asked.high)
        AND rejected.last >= asked.since
)
ORDER BY ALL"""  # noqa: S608 - numbers of protocols


class Asked(NamedTuple):
    """What a rule was about: protocol, or ANY, and ports. since: when its traffic may have been rejected first."""

    direction: Direction
    protocol: int
    ports: tuple[int, int]
    since: float


def read(
    path: Path, declared: tuple[str, ...], asked: Collection[Asked], *, memory: str, threads: int
) -> Iterator[Rejected]:
    """What a file says was rejected, of what is asked for; UnreadableFile, possibly midway, if it cannot be read.

    declared: fields of the flow log, in order, for text without a header line. memory: DuckDB's limit.
    """
    found = format_of(path, declared)
    if found is None or not asked:
        return
    records = records_of([FlowFile(path, "", found)])
    try:
        with duckdb.connect(config=configuration(memory, threads)) as database:
            database.execute("SET enable_progress_bar = false")
            _prepare(database, asked)
            cursor = database.execute(REJECTED.format(records=records))
            while rows := cursor.fetchmany(FETCHED):
                yield from map(_rejected, rows)
    except (duckdb.Error, ValueError) as error:
        raise UnreadableFile(problem_of(error)) from error


def _prepare(database: duckdb.DuckDBPyConnection, asked: Collection[Asked]) -> None:
    earliest: dict[tuple[str, int, int, int], float] = {}
    for one in asked:
        key = one.direction.value, one.protocol, *one.ports
        earliest[key] = min(one.since, earliest.get(key, one.since))
    directions, protocols, lows, highs = zip(*earliest, strict=True)
    database.execute(
        "CREATE TABLE asked AS SELECT unnest(?::VARCHAR[]) AS direction, unnest(?::INTEGER[]) AS protocol, "
        "unnest(?::INTEGER[]) AS low, unnest(?::INTEGER[]) AS high, unnest(?::DOUBLE[]) AS since",
        [list(directions), list(protocols), list(lows), list(highs), list(earliest.values())],
    )


def _rejected(row: tuple[Any, ...]) -> Rejected:
    interface, vpc, direction, protocol, port, source, destination, pktsrc, pktdst, records, first, last = row
    return Rejected(
        interface=interface,
        vpc=vpc or "",
        direction=Direction(direction) if direction else None,
        protocol=protocol,
        port=port,
        sources=_addresses(source, pktsrc),
        destinations=_addresses(destination, pktdst),
        records=records,
        first=first,
        last=last,
    )


def _addresses(routed: str, packet: str | None) -> tuple[Address, ...]:
    """The address that routing saw, and that of the packet if it is another one."""
    return tuple(dict.fromkeys(map(_address, filter(None, (routed, packet)))))


_address = lru_cache(maxsize=100_000)(ip_address)
