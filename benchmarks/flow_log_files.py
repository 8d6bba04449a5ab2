"""Files of flow logs for benchmarks: a VPC of services that talk to each other, with scanners and long connections."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import TYPE_CHECKING

import duckdb

from berthmaster.security_groups.model.rules import ANY, TCP, UDP, Direction, Group, GroupReference, Rule
from berthmaster.security_groups.model.topology import FlowLog, Interface, Span, Topology, Vpc

if TYPE_CHECKING:
    from pathlib import Path

LOG = "fl-0123456789abcdef0"
VPC = "vpc-1"
BLOCK = IPv4Network("10.0.0.0/16")
INTERFACES, SERVICES, CLIENTS = 400, 40, 60
"""Interfaces, services that they belong to, and interfaces that each of them is called by."""
RULES = 30
"""Of each group, beside those that traffic uses."""
BEGIN = 1_760_000_100
FILES = 8
SLOT = 300

# Of 100 connections 64 are answered, 6 only knock, 20 were opened before, 10 are DNS queries; each has two records, but
# a knock, which has one.
RECORDS = """
COPY (
    WITH connections AS (
        SELECT (random() * {interfaces})::BIGINT % {interfaces} AS own, random() AS kind,
            (random() * {clients})::BIGINT AS nth, (1024 + random() * 64000)::BIGINT AS ephemeral,
            {begin} + {file} * {slot} + (random() * 240)::BIGINT AS start
        FROM range({connections})
    ), ends AS (
        SELECT *, own % {services} AS service,
            CASE WHEN kind < 0.64 OR kind >= 0.7 THEN (own * 7 + nth * 13) % {interfaces} END AS other,
            printf('10.0.%d.%d', own // 250, own % 250 + 4) AS own_address
        FROM connections
    ), sides AS (
        SELECT *, coalesce(printf('10.0.%d.%d', other // 250, other % 250 + 4),
                           printf('198.51.100.%d', nth % 200)) AS peer_address,
            CASE WHEN kind >= 0.9 THEN 53 ELSE 8000 + service END AS port,
            CASE WHEN kind >= 0.9 THEN 17 ELSE 6 END AS protocol
        FROM ends
    )
    SELECT 5 AS version, '123456789012' AS "account-id", printf('eni-%017d', own) AS "interface-id",
        CASE WHEN to_interface THEN peer_address ELSE own_address END AS srcaddr,
        CASE WHEN to_interface THEN own_address ELSE peer_address END AS dstaddr,
        (CASE WHEN to_interface THEN ephemeral ELSE port END)::INTEGER AS srcport,
        (CASE WHEN to_interface THEN port ELSE ephemeral END)::INTEGER AS dstport,
        protocol::INTEGER AS protocol, 10::BIGINT AS packets, 1200::BIGINT AS bytes,
        start::BIGINT AS start, (start + 59)::BIGINT AS "end", 'ACCEPT' AS action, 'OK' AS "log-status",
        'vpc-1' AS "vpc-id", 'subnet-0123456789abcdef0' AS "subnet-id", '-' AS "instance-id",
        CASE WHEN protocol <> 6 THEN 0 WHEN kind >= 0.7 THEN 0 WHEN to_interface THEN 3 ELSE 19 END::INTEGER
            AS "tcp-flags",
        'IPv4' AS "type", srcaddr AS "pkt-srcaddr", dstaddr AS "pkt-dstaddr", 'eu-central-1' AS region,
        CASE WHEN to_interface THEN 'ingress' ELSE 'egress' END AS "flow-direction"
    FROM sides, (VALUES (true), (false)) AS both_sides(to_interface)
    WHERE to_interface OR kind < 0.64 OR kind >= 0.7
) TO '{path}' ({form})"""

FORMS = {
    "text": ("log.gz", "FORMAT csv, DELIMITER ' ', HEADER, COMPRESSION gzip, QUOTE '', ESCAPE ''"),
    "parquet": ("log.parquet", "FORMAT parquet, COMPRESSION gzip"),
}


def write(folder: Path, form: str, records: int) -> list[Path]:
    """About so many records in FILES files, `text` or `parquet`."""
    suffix, options = FORMS[form]
    paths = []
    with duckdb.connect(config={"threads": 1}) as database:
        database.execute("SET enable_progress_bar = false")
        for file in range(FILES):
            minute = f"20251009T{8 + file // 12:02d}{file % 12 * 5:02d}Z"
            path = folder / f"123456789012_vpcflowlogs_eu-central-1_{LOG}_{minute}_{file:08x}.{suffix}"
            database.execute("SELECT setseed(?)", [(file + 1) / 100])
            database.execute(
                RECORDS.format(
                    interfaces=INTERFACES,
                    services=SERVICES,
                    clients=CLIENTS,
                    connections=int(records / FILES / 1.94),
                    begin=BEGIN,
                    file=file,
                    slot=SLOT,
                    path=path,
                    form=options,
                )
            )
            paths.append(path)
    return paths


def topology() -> Topology:
    """Of the VPC in the files: a group for each service, one that all have, and rules that nobody uses."""
    groups = [Group(id=f"sg-{number:017d}", name=f"service-{number}", vpc=VPC) for number in range(SERVICES)]
    everybody = Group(id="sg-everybody", name="everybody", vpc=VPC)
    interfaces = [
        Interface(
            id=f"eni-{number:017d}",
            vpc=VPC,
            groups=(groups[number % SERVICES].id, everybody.id),
            addresses=(IPv4Address(f"10.0.{number // 250}.{number % 250 + 4}"),),
        )
        for number in range(INTERFACES)
    ]
    rules = [
        Rule(
            id="sgr-out",
            group=everybody.id,
            direction=Direction.EGRESS,
            protocol=ANY,
            peer=ip_network("0.0.0.0/0"),
        ),
        Rule(
            id="sgr-dns",
            group=everybody.id,
            direction=Direction.INGRESS,
            protocol=UDP,
            ports=(53, 53),
            peer=BLOCK,
        ),
    ]
    for number, group in enumerate(groups):
        port = 8000 + number
        peers = [BLOCK, ip_network("0.0.0.0/0"), GroupReference(groups[(number * 7) % SERVICES].id)]
        peers += [ip_network(f"10.{one + 1}.0.0/16") for one in range(RULES)]
        rules += [
            Rule(
                id=f"sgr-{number:03d}{nth:03d}",
                group=group.id,
                direction=Direction.INGRESS,
                protocol=TCP,
                ports=(port, port) if nth < 3 else (port, port + nth),  # noqa: PLR2004 - those that traffic uses
                peer=peer,
            )
            for nth, peer in enumerate(peers)
        ]
    return Topology(
        interfaces={one.id: (Span(one),) for one in interfaces},
        rules={one.id: (Span(one),) for one in rules},
        groups={one.id: one for one in (*groups, everybody)},
        vpcs={VPC: Vpc(id=VPC, cidrs=(BLOCK,))},
        flow_logs={LOG: FlowLog(id=LOG, resource=VPC, aggregation=60)},
    )
