"""The SQL by which records of flow logs become connections, and connections flows.

A connection has two ends, `a` and `b`, in the order of their addresses and ports, since records do not always say which
of them is the interface's own. Counts end in `f` for records from a to b and in `b` for those from b to a.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from duckdb import DuckDBPyConnection

    from berthmaster.security_groups.observe.flow_formats import FlowFile, Format

NUMBERS = ("srcport", "dstport", "protocol", "start", "end", "tcp-flags")
TEXTS = ("interface-id", "srcaddr", "dstaddr", "action", "log-status", "pkt-srcaddr", "pkt-dstaddr", "flow-direction")
PORTS = 65536
MILLISECONDS = 100_000_000_000
"""Seconds since the epoch are below, milliseconds above."""
MINUTES = 5
"""Of a slot."""

PREPARE = """
CREATE TABLE connections (
    log VARCHAR, interface VARCHAR, vpc VARCHAR, a VARCHAR, b VARCHAR, pa INTEGER, pb INTEGER, protocol INTEGER,
    via_a VARCHAR, via_b VARCHAR, nf BIGINT, nb BIGINT, synf BIGINT, synb BIGINT, ackf BIGINT, ackb BIGINT,
    rstf BIGINT, rstb BIGINT, has_flags BOOLEAN, first DOUBLE, last DOUBLE, a_is_own BOOLEAN
)"""

CONNECTIONS = """
INSERT INTO connections
SELECT log, interface, any_value(vpc), a, b, pa, pb, protocol, via_a, via_b,
    count(*) FILTER (forward), count(*) FILTER (NOT forward),
    count(*) FILTER (forward AND flags & 18 = 2), count(*) FILTER (NOT forward AND flags & 18 = 2),
    count(*) FILTER (forward AND flags & 18 = 18), count(*) FILTER (NOT forward AND flags & 18 = 18),
    count(*) FILTER (forward AND flags & 18 NOT IN (2, 18) AND flags & 4 = 4),
    count(*) FILTER (NOT forward AND flags & 18 NOT IN (2, 18) AND flags & 4 = 4),
    bool_and(flags IS NOT NULL), min(start), max("end"),
    bool_or(CASE direction WHEN 'ingress' THEN NOT forward WHEN 'egress' THEN forward END)
FROM (
    SELECT *,
        CASE WHEN forward THEN srcaddr ELSE dstaddr END AS a, CASE WHEN forward THEN dstaddr ELSE srcaddr END AS b,
        CASE WHEN forward THEN srcport ELSE dstport END AS pa, CASE WHEN forward THEN dstport ELSE srcport END AS pb,
        nullif(CASE WHEN forward THEN pktsrc ELSE pktdst END, a) AS via_a,
        nullif(CASE WHEN forward THEN pktdst ELSE pktsrc END, b) AS via_b
    FROM (SELECT *, srcaddr < dstaddr OR (srcaddr = dstaddr AND srcport <= dstport) AS forward FROM ({records}))
    WHERE status = 'OK' AND action = 'ACCEPT' AND srcaddr IS NOT NULL AND dstaddr IS NOT NULL
)
GROUP BY log, interface, a, b, pa, pb, protocol, via_a, via_b"""

# Records of one connection may name another address of an end, or none: they are one connection nevertheless.
MERGED = """
CREATE TABLE merged AS
WITH ends AS (
    SELECT log, interface, a, b, pa, pb, protocol,
        string_agg(DISTINCT via_a, ' ' ORDER BY via_a) AS vias_a,
        string_agg(DISTINCT via_b, ' ' ORDER BY via_b) AS vias_b
    FROM connections WHERE via_a IS NOT NULL OR via_b IS NOT NULL
    GROUP BY log, interface, a, b, pa, pb, protocol
)
SELECT log, interface, any_value(vpc) AS vpc, a, b, pa, pb, protocol,
    any_value(vias_a) AS vias_a, any_value(vias_b) AS vias_b,
    sum(nf) AS nf, sum(nb) AS nb, sum(synf) AS synf, sum(synb) AS synb, sum(ackf) AS ackf, sum(ackb) AS ackb,
    sum(rstf) AS rstf, sum(rstb) AS rstb, bool_and(has_flags) AS has_flags, min(first) AS first, max(last) AS last,
    bool_or(a_is_own) AS a_is_own
FROM connections LEFT JOIN ends USING (log, interface, a, b, pa, pb, protocol)
GROUP BY log, interface, a, b, pa, pb, protocol"""

UNMERGED = """
CREATE VIEW merged AS
SELECT * RENAME (via_a AS vias_a, via_b AS vias_b) FROM connections"""

# `i` counts what comes in, `o` what goes out. If it is not known which end is the interface's own, each may be.
SIDES = """
CREATE TABLE sides AS
WITH known AS (
    SELECT merged.* REPLACE (
        coalesce(a_is_own, CASE WHEN held_a.address IS NOT NULL AND held_b.address IS NULL THEN true
                                WHEN held_b.address IS NOT NULL AND held_a.address IS NULL THEN false END) AS a_is_own)
    FROM merged
    LEFT JOIN held AS held_a ON held_a.interface = merged.interface AND held_a.address = a
    LEFT JOIN held AS held_b ON held_b.interface = merged.interface AND held_b.address = b
), own AS (
    SELECT *, a_is_own AS own_is_a, false AS is_either FROM known WHERE a_is_own IS NOT NULL
    UNION ALL
    SELECT known.*, own_is_a, true FROM known, (VALUES (true), (false)) AS readings(own_is_a) WHERE a_is_own IS NULL
), counted AS (
    SELECT log, interface, vpc, protocol, first, last, is_either, has_flags,
        CASE WHEN own_is_a THEN b ELSE a END AS peer, CASE WHEN own_is_a THEN vias_b ELSE vias_a END AS vias,
        CASE WHEN own_is_a THEN pa ELSE pb END AS own_port, CASE WHEN own_is_a THEN pb ELSE pa END AS peer_port,
        CASE WHEN own_is_a THEN nb ELSE nf END AS ni, CASE WHEN own_is_a THEN nf ELSE nb END AS no,
        CASE WHEN own_is_a THEN synb ELSE synf END AS syni, CASE WHEN own_is_a THEN synf ELSE synb END AS syno,
        CASE WHEN own_is_a THEN ackb ELSE ackf END AS acki, CASE WHEN own_is_a THEN ackf ELSE ackb END AS acko,
        CASE WHEN own_is_a THEN rstb ELSE rstf END AS rsti, CASE WHEN own_is_a THEN rstf ELSE rstb END AS rsto
    FROM own
)
SELECT *,
    protocol = 6 AND NOT is_either AND (syni > 0 OR acko > 0) AS by_peer,
    protocol = 6 AND NOT is_either AND (syno > 0 OR acki > 0) AS by_interface
FROM counted"""

FLOWS = """
SELECT log, interface, any_value(vpc), protocol, is_inbound, quality, peer, vias,
    min(p), max(p), min(q), max(q), sum(records)::BIGINT, min(first), max(last)
FROM (
    SELECT log, interface, vpc, protocol, true AS is_inbound,
        CASE WHEN acko > 0 OR no > rsto + syno THEN 0 ELSE 1 END AS quality,
        peer, vias, own_port AS p, own_port AS q, own_port AS range_p, 0 AS range_q,
        CASE WHEN syni > 0 THEN syni ELSE acko END AS records, first, last
    FROM sides WHERE by_peer
    UNION ALL
    SELECT log, interface, vpc, protocol, false,
        CASE WHEN acki > 0 OR ni > rsti + syni THEN 0 ELSE 1 END,
        peer, vias, peer_port, peer_port, peer_port, 0, CASE WHEN syno > 0 THEN syno ELSE acki END, first, last
    FROM sides WHERE by_interface
    UNION ALL
    SELECT log, interface, vpc, protocol, NULL,
        CASE WHEN ni > 0 AND no > 0 AND NOT is_either THEN 2 ELSE 3 END,
        peer, vias, own_port, peer_port, own_range.number, peer_range.number, ni + no, first, last
    FROM sides
    JOIN port_ranges AS own_range ON own_range.port = own_port
    JOIN port_ranges AS peer_range ON peer_range.port = peer_port
    WHERE NOT by_peer AND NOT by_interface
)
GROUP BY log, interface, protocol, is_inbound, quality, peer, vias, range_p, range_q"""

LOGGED = """
CREATE OR REPLACE TABLE logged AS
SELECT log, interface, status, action, floor(start / 60)::INTEGER AS minute,
    floor(greatest(start, "end" - 1) / 60)::INTEGER AS last_minute,
    min(start) AS first, max("end") AS last, max("end" - start) AS longest, list(DISTINCT vpc) AS vpcs
FROM ({records}) GROUP BY ALL"""

COVERAGE = f"""
WITH slots AS (
    SELECT log, list(DISTINCT slot) AS slots
    FROM (SELECT DISTINCT log, minute // {MINUTES} AS s, last_minute // {MINUTES} AS e FROM logged),
        unnest(range(s::BIGINT, e::BIGINT + 1)) AS covered(slot)
    GROUP BY log
)
SELECT log, min(first), max(last), max(longest), any_value(slots), list_distinct(flatten(list(vpcs))),
    list(DISTINCT action) FILTER (action IS NOT NULL)
FROM logged JOIN slots USING (log) GROUP BY log"""  # noqa: S608 - of a constant

INTERFACES = """
SELECT interface, min(first), max(last) FROM logged
WHERE log = ? AND interface IS NOT NULL GROUP BY interface"""

SKIPPED = """
SELECT log, interface, list(DISTINCT lost)
FROM logged, unnest(range(minute::BIGINT, last_minute::BIGINT + 1)) AS minutes(lost)
WHERE status = 'SKIPDATA' AND interface IS NOT NULL GROUP BY log, interface"""


def configuration(memory: str, threads: int) -> dict[str, Any]:
    """Of DuckDB: it installs and loads no extension, and reads nothing but files."""
    return {
        "memory_limit": memory,
        "threads": threads,
        # The working directory of a Lambda function cannot be written to.
        "temp_directory": tempfile.gettempdir(),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": False,
    }


def prepare(database: DuckDBPyConnection, boundaries: Collection[int]) -> None:
    """Empty tables. boundaries: ports at which ranges begin that no rule tells apart."""
    database.execute("SET enable_progress_bar = false")
    database.execute(PREPARE)
    database.execute("CREATE TABLE held (interface VARCHAR, address VARCHAR)")
    starts = sorted(boundaries)
    database.execute(
        "CREATE TABLE port_ranges AS SELECT unnest(range(first, next))::INTEGER AS port, number "
        "FROM (SELECT unnest(?::INTEGER[]) AS first, unnest(?::INTEGER[]) AS next, unnest(?::INTEGER[]) AS number)",
        [starts, [*starts[1:], PORTS], list(range(len(starts)))],
    )


def load(database: DuckDBPyConnection, files: Collection[FlowFile]) -> None:
    """Add the connections of some files to those of others; and what these files cover."""
    records = records_of(files)
    database.execute(CONNECTIONS.format(records=records))
    database.execute(LOGGED.format(records=records))


def records_of(files: Collection[FlowFile]) -> str:
    """A query of all records of some files; what a format does not have is null."""
    alike: dict[tuple[str, Format], list[str]] = {}
    for file in files:
        alike.setdefault((file.log, file.format), []).append(str(file.path))
    return " UNION ALL BY NAME ".join(_select(log, kind, paths) for (log, kind), paths in alike.items())


def _select(log: str, kind: Format, paths: Collection[str]) -> str:
    columns = dict(zip(kind.fields, kind.columns, strict=True))

    def column(field: str, sql_type: str) -> str:
        if field not in columns:
            return f"NULL::{sql_type}"
        found = _quoted(columns[field])
        return f"nullif({found}::VARCHAR, '-')::{sql_type}" if kind.is_parquet else f"{found}::{sql_type}"

    def seconds(field: str) -> str:
        found = column(field, "BIGINT")
        return f"(CASE WHEN {found} > {MILLISECONDS} THEN {found} / 1000.0 ELSE {found} END)::DOUBLE"

    texts = {
        "interface": "interface-id",
        "vpc": "vpc-id",
        "srcaddr": "srcaddr",
        "dstaddr": "dstaddr",
        "pktsrc": "pkt-srcaddr",
        "pktdst": "pkt-dstaddr",
        "action": "action",
        "direction": "flow-direction",
    }
    chosen = [
        f"{_literal(log)} AS log",
        *(f"{column(field, 'VARCHAR')} AS {name}" for name, field in texts.items()),
        f"{column('log-status', 'VARCHAR') if 'log-status' in columns else _literal('OK')} AS status",
        f"coalesce({column('srcport', 'USMALLINT')}, 0)::INTEGER AS srcport",
        f"coalesce({column('dstport', 'USMALLINT')}, 0)::INTEGER AS dstport",
        f"{column('protocol', 'UTINYINT')}::INTEGER AS protocol",
        f"{column('tcp-flags', 'INTEGER')} AS flags",
        f"{seconds('start')} AS start",
        f'{seconds("end")} AS "end"',
    ]
    return f"SELECT {', '.join(chosen)} FROM {_source(kind, paths)}"  # noqa: S608 - names and paths are quoted


def _source(kind: Format, paths: Collection[str]) -> str:
    files = f"[{', '.join(map(_literal, paths))}]"
    if kind.is_parquet:
        return f"read_parquet({files})"
    types = ", ".join(f"{_literal(name)}: '{'BIGINT' if name in NUMBERS else 'VARCHAR'}'" for name in kind.columns)
    return (
        f"read_csv({files}, delim=' ', header=false, skip={int(kind.has_header)}, nullstr='-', quote='', escape='', "
        f"auto_detect=false, compression='{'gzip' if kind.is_compressed else 'none'}', columns={{{types}}})"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def undirected(database: DuckDBPyConnection) -> list[tuple[str, str]]:
    """Interfaces and addresses of connections whose records do not say a direction."""
    return database.execute(
        "SELECT interface, a FROM connections WHERE a_is_own IS NULL "
        "UNION SELECT interface, b FROM connections WHERE a_is_own IS NULL"
    ).fetchall()


def assign_sides(database: DuckDBPyConnection, held: Iterable[tuple[str, str]], *, is_one_batch: bool) -> None:
    """Find which end is the interface's own. held: interfaces with addresses that are theirs."""
    if rows := list(held):
        interfaces_, addresses = zip(*rows, strict=True)
        database.execute("INSERT INTO held SELECT unnest(?), unnest(?)", [list(interfaces_), list(addresses)])
    has_vias = database.execute("SELECT count(via_a) + count(via_b) FROM connections").fetchall() != [(0,)]
    database.execute(MERGED if has_vias or not is_one_batch else UNMERGED)
    database.execute(SIDES)


def flows(database: DuckDBPyConnection) -> DuckDBPyConnection:
    """Rows in the order of `Flow`; quality as its place in `Quality`."""
    return database.execute(FLOWS)


def logged(database: DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Of each log in what is loaded: first start, last end, longest record, slots, VPCs, actions."""
    return database.execute(COVERAGE).fetchall()


def interfaces(database: DuckDBPyConnection, log: str) -> dict[str, tuple[float, float]]:
    """First start and last end of the records of each interface of a log."""
    return {interface: (first, last) for interface, first, last in database.execute(INTERFACES, [log]).fetchall()}


def skipped(database: DuckDBPyConnection) -> dict[str, dict[str, frozenset[int]]]:
    """Minutes from the epoch in which records were lost, by log and interface."""
    found: dict[str, dict[str, frozenset[int]]] = {}
    for log, interface, minutes in database.execute(SKIPPED).fetchall():
        found.setdefault(log, {})[interface] = frozenset(minutes)
    return found
