"""Flows as Parquet, as the Glue table `flows` of template.yaml has them."""

from __future__ import annotations

from itertools import batched
from typing import TYPE_CHECKING

import duckdb

from berthmaster.security_groups.observe import flow_queries

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from berthmaster.security_groups.model.flows import Flow

COLUMNS = {
    "log": "VARCHAR",
    "interface": "VARCHAR",
    "vpc": "VARCHAR",
    "protocol": "INTEGER",
    "inbound": "BOOLEAN",
    "quality": "VARCHAR",
    "peer": "VARCHAR",
    "vias": "VARCHAR[]",
    "port_from": "INTEGER",
    "port_to": "INTEGER",
    "peer_port_from": "INTEGER",
    "peer_port_to": "INTEGER",
    "records": "BIGINT",
    "first": "DOUBLE",
    "last": "DOUBLE",
}
INSERTED = 20_000
"""Rows at a time."""


def write(flows: Iterable[Flow], path: Path, *, memory: str, threads: int) -> None:
    """Write flows to a file, in an order of their own: the same flows give the same rows."""
    with duckdb.connect(config=flow_queries.configuration(memory, threads)) as database:
        database.execute(f"CREATE TABLE flows ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})")
        given = ", ".join(f"unnest(?::{kind}[])" for kind in COLUMNS.values())
        for some in batched(flows, INSERTED, strict=False):
            columns = zip(*map(_row, some), strict=True)
            database.execute(f"INSERT INTO flows SELECT {given}", [list(column) for column in columns])
        target = str(path).replace("'", "''")
        database.execute(f"COPY (FROM flows ORDER BY ALL) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")


def _row(flow: Flow) -> tuple[object, ...]:
    vias = [str(via) for via in flow.vias]
    return (
        *(flow.log, flow.interface, flow.vpc, flow.protocol, flow.is_inbound, flow.quality.value, str(flow.peer), vias),
        *(*flow.ports, *flow.peer_ports, flow.records, flow.first, flow.last),
    )
