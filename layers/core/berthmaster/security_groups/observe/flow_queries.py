"""The SQL by which records of flow logs become connections, and connections flows.

A connection has two ends, `a` and `b`, in the order of their addresses and ports, since records do not always say which
of them is the interface's own. Counts end in `f` for records from a to b and in `b` for those from b to a.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from duckdb import DuckDBPyConnection

    from berthmaster.security_groups.observe.flow_formats import FlowFile, Format

NUMBERS = ("srcport", "dstport", "protocol", "start", "end", "tcp-flags")
TEXTS = ("interface-id", "srcaddr", "dstaddr", "action", "log-status", "pkt-srcaddr", "pkt-dstaddr", "flow-direction")
MILLISECONDS = 100_000_000_000
"""Seconds since the epoch are below, milliseconds above."""
SLOT = 300
"""Seconds."""
SYN, SYN_ACK, RST = 2, 18, 4

PREPARE = """
CREATE TABLE connections (
    log VARCHAR, interface VARCHAR, vpc VARCHAR, a VARCHAR, b VARCHAR, pa INTEGER, pb INTEGER, protocol INTEGER,
    nf BIGINT, nb BIGINT, synf BIGINT, synb BIGINT, ackf BIGINT, ackb BIGINT, rstf BIGINT, rstb BIGINT,
    has_flags BOOLEAN, first DOUBLE, last DOUBLE, a_is_own BOOLEAN, viaa VARCHAR[], viab VARCHAR[]
)"""

CONNECTIONS = """
INSERT INTO connections
SELECT log, interface, any_value(vpc), a, b, pa, pb, protocol,
    count(*) FILTER (forward), count(*) FILTER (NOT forward),
    count(*) FILTER (forward AND flags & 18 = 2), count(*) FILTER (NOT forward AND flags & 18 = 2),
    count(*) FILTER (forward AND flags & 18 = 18), count(*) FILTER (NOT forward AND flags & 18 = 18),
    count(*) FILTER (forward AND flags & 18 NOT IN (2, 18) AND flags & 4 = 4),
    count(*) FILTER (NOT forward AND flags & 18 NOT IN (2, 18) AND flags & 4 = 4),
    bool_and(flags IS NOT NULL), min(start), max("end"),
    bool_or(CASE direction WHEN 'ingress' THEN NOT forward WHEN 'egress' THEN forward END),
    {vias}
FROM (
    SELECT *,
        CASE WHEN forward THEN srcaddr ELSE dstaddr END AS a, CASE WHEN forward THEN dstaddr ELSE srcaddr END AS b,
        CASE WHEN forward THEN srcport ELSE dstport END AS pa, CASE WHEN forward THEN dstport ELSE srcport END AS pb,
        CASE WHEN forward THEN pktsrc ELSE pktdst END AS va, CASE WHEN forward THEN pktdst ELSE pktsrc END AS vb
    FROM (SELECT *, (srcaddr, srcport) <= (dstaddr, dstport) AS forward FROM records)
    WHERE status = 'OK' AND action = 'ACCEPT' AND srcaddr IS NOT NULL AND dstaddr IS NOT NULL
)
GROUP BY log, interface, a, b, pa, pb, protocol"""

VIAS = """list(DISTINCT va) FILTER (va <> a), list(DISTINCT vb) FILTER (vb <> b)"""
NO_VIAS = "NULL, NULL"

SIDES = """
CREATE TABLE sides AS
SELECT connections.* EXCLUDE (a_is_own),
    coalesce(a_is_own, CASE WHEN ha.address IS NOT NULL AND hb.address IS NULL THEN true
                            WHEN hb.address IS NOT NULL AND ha.address IS NULL THEN false END) AS a_is_own
FROM connections
LEFT JOIN held ha ON ha.interface = connections.interface AND ha.address = a
LEFT JOIN held hb ON hb.interface = connections.interface AND hb.address = b"""

# One row per side that may be the interface's own: `i` counts what comes in, `o` what goes out.
FLOWS = """
WITH merged AS (
    SELECT log, interface, any_value(vpc) AS vpc, a, b, pa, pb, protocol, a_is_own,
        sum(nf) AS nf, sum(nb) AS nb, sum(synf) AS synf, sum(synb) AS synb, sum(ackf) AS ackf, sum(ackb) AS ackb,
        sum(rstf) AS rstf, sum(rstb) AS rstb, bool_and(has_flags) AS has_flags, min(first) AS first, max(last) AS last,
        list_distinct(flatten(list(viaa) FILTER (viaa IS NOT NULL))) AS viaa,
        list_distinct(flatten(list(viab) FILTER (viab IS NOT NULL))) AS viab
    FROM sides GROUP BY ALL
), own AS (
    SELECT log, interface, vpc, protocol, first, last, a_is_own IS NULL AS is_either, has_flags,
        b AS peer, viab AS vias, pa AS own_port, pb AS peer_port,
        nb AS ni, nf AS no, synb AS syni, synf AS syno, ackb AS acki, ackf AS acko, rstb AS rsti, rstf AS rsto
    FROM merged WHERE a_is_own IS NOT false
    UNION ALL
    SELECT log, interface, vpc, protocol, first, last, a_is_own IS NULL, has_flags,
        a, viaa, pb, pa, nf, nb, synf, synb, ackf, ackb, rstf, rstb
    FROM merged WHERE a_is_own IS NOT true
), opened AS (
    SELECT *,
        protocol = 6 AND NOT is_either AND (syni > 0 OR acko > 0) AS by_peer,
        protocol = 6 AND NOT is_either AND (syno > 0 OR acki > 0) AS by_interface
    FROM own
), flows AS (
    SELECT log, interface, vpc, protocol, true AS is_inbound,
        CASE WHEN acko > 0 OR no > rsto + syno THEN 0 ELSE 1 END AS quality,
        peer, vias, own_port AS p, own_port AS q, 0 AS range_p, 0 AS range_q,
        CASE WHEN syni > 0 THEN syni ELSE acko END AS records, first, last
    FROM opened WHERE by_peer
    UNION ALL
    SELECT log, interface, vpc, protocol, false,
        CASE WHEN acki > 0 OR ni > rsti + syni THEN 0 ELSE 1 END,
        peer, vias, peer_port, peer_port, 0, 0, CASE WHEN syno > 0 THEN syno ELSE acki END, first, last
    FROM opened WHERE by_interface
    UNION ALL
    SELECT log, interface, vpc, protocol, NULL,
        CASE WHEN ni > 0 AND no > 0 AND NOT is_either THEN 2 ELSE 3 END,
        peer, vias, own_port, peer_port, own_range.number, peer_range.number, ni + no, first, last
    FROM opened
    JOIN port_ranges own_range ON own_range.port = opened.own_port
    JOIN port_ranges peer_range ON peer_range.port = opened.peer_port
    WHERE NOT by_peer AND NOT by_interface
)
SELECT log, interface, any_value(vpc), protocol, is_inbound, quality, peer, list_sort(vias) AS vias,
    min(p), max(p), min(q), max(q), sum(records)::BIGINT, min(first), max(last)
FROM flows
GROUP BY log, interface, protocol, is_inbound, quality, peer, list_sort(vias), range_p, range_q,
    CASE WHEN is_inbound IS NULL THEN 0 ELSE p END"""


LOGGED = f"""
WITH times AS (
    SELECT log, start, "end", list(DISTINCT vpc) AS vpcs, list(DISTINCT action) AS actions
    FROM records GROUP BY log, start, "end"
), slots AS (
    SELECT log, list(DISTINCT slot) AS slots
    FROM times, unnest(range((start // {SLOT})::BIGINT, (greatest(start, "end" - 1) // {SLOT})::BIGINT + 1))
        AS covered(slot)
    GROUP BY log
)
SELECT log, min(start), max("end"), max("end" - start), any_value(slots),
    list_distinct(flatten(list(vpcs))), list_distinct(flatten(list(actions)))
FROM times JOIN slots USING (log) GROUP BY log"""  # noqa: S608 - of a constant

SPANS = """
SELECT interface, min(start), max("end") FROM records
WHERE log = ? AND interface IS NOT NULL GROUP BY interface"""

SKIPPED = """
SELECT log, interface, list(DISTINCT minute)
FROM records, unnest(range((start // 60)::BIGINT, (greatest(start, "end" - 1) // 60)::BIGINT + 1)) AS lost(minute)
WHERE status = 'SKIPDATA' AND interface IS NOT NULL GROUP BY log, interface"""


def configuration(memory: str, threads: int) -> dict[str, Any]:
    """Of DuckDB: it installs and loads no extension, and reads nothing but files."""
    return {
        "memory_limit": memory,
        "threads": threads,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": False,
    }


def prepare(database: DuckDBPyConnection, boundaries: Collection[int]) -> None:
    """Empty tables. boundaries: ports at which ranges begin that no rule tells apart."""
    database.execute(PREPARE)
    database.execute("CREATE TABLE held (interface VARCHAR, address VARCHAR)")
    database.execute(
        "CREATE TABLE port_ranges AS SELECT port::INTEGER AS port, "
        "(SELECT count(*) FROM unnest(?::INTEGER[]) AS bound(start) WHERE start <= port)::INTEGER AS number "
        "FROM range(65536) AS ports(port)",
        [sorted(boundaries)],
    )


def load(database: DuckDBPyConnection, files: Collection[FlowFile]) -> None:
    """Read the records of some files, and add their connections to those of others."""
    database.execute("DROP TABLE IF EXISTS records")
    alike: dict[tuple[str, Format], list[str]] = {}
    for file in files:
        alike.setdefault((file.log, file.format), []).append(str(file.path))
    sources = [_select(log, kind, paths) for (log, kind), paths in alike.items()]
    database.execute(f"CREATE TEMP TABLE records AS {' UNION ALL BY NAME '.join(sources)}")
    has_vias = any({"pkt-srcaddr", "pkt-dstaddr"} & set(kind.fields) for _, kind in alike)
    database.execute(CONNECTIONS.format(vias=VIAS if has_vias else NO_VIAS))


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


def assign_sides(database: DuckDBPyConnection, held: Iterable[tuple[str, str]]) -> None:
    """Find which end is the interface's own. held: interfaces with addresses that are theirs."""
    if rows := list(held):
        interfaces, addresses = zip(*rows, strict=True)
        database.execute("INSERT INTO held SELECT unnest(?), unnest(?)", [list(interfaces), list(addresses)])
    database.execute(SIDES)


def flows(database: DuckDBPyConnection) -> DuckDBPyConnection:
    """Rows in the order of `Flow`; quality as its place in `Quality`."""
    return database.execute(FLOWS)


def logged(database: DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Of each log in what is loaded: first start, last end, longest record, slots, VPCs, actions."""
    return database.execute(LOGGED).fetchall()


def interfaces(database: DuckDBPyConnection, log: str) -> dict[str, tuple[float, float]]:
    """First start and last end of the records of each interface of a log."""
    return {interface: (first, last) for interface, first, last in database.execute(SPANS, [log]).fetchall()}


def skipped(database: DuckDBPyConnection) -> dict[str, dict[str, frozenset[int]]]:
    """Minutes from the epoch in which records were lost, by log and interface."""
    found: dict[str, dict[str, frozenset[int]]] = {}
    for log, interface, minutes in database.execute(SKIPPED).fetchall():
        found.setdefault(log, {})[interface] = frozenset(minutes)
    return found
