"""The fields of a flow-log record, by the version that brought them.

Source: "Flow log records" of the VPC User Guide. Version 6 is that of transit gateways.
"""

from __future__ import annotations

import re

VERSIONS: dict[int, tuple[str, ...]] = {
    2: (
        *("version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets"),
        *("bytes", "start", "end", "action", "log-status"),
    ),
    3: ("vpc-id", "subnet-id", "instance-id", "tcp-flags", "type", "pkt-srcaddr", "pkt-dstaddr"),
    4: ("region", "az-id", "sublocation-type", "sublocation-id"),
    5: ("pkt-src-aws-service", "pkt-dst-aws-service", "flow-direction", "traffic-path"),
    7: (
        *("ecs-cluster-arn", "ecs-cluster-name", "ecs-container-instance-arn", "ecs-container-instance-id"),
        *("ecs-container-id", "ecs-second-container-id", "ecs-service-name", "ecs-task-definition-arn"),
        *("ecs-task-arn", "ecs-task-id"),
    ),
    8: ("reject-reason",),
    9: ("resource-id",),
    10: ("encryption-status",),
    11: (
        *("interface-type", "next-hop-interface-id", "next-hop-subnet-id", "next-hop-az-id", "next-hop-vpc-id"),
        *("next-hop-interface-type", "instance-tag", "instance-tag-2", "interface-tag", "interface-tag-2"),
        *("asg-tag", "asg-tag-2"),
    ),
}
DEFAULT = VERSIONS[2]
INTEGERS = {
    **dict.fromkeys(("version", "srcport", "dstport", "protocol", "tcp-flags", "traffic-path"), "INTEGER"),
    **dict.fromkeys(("packets", "bytes", "start", "end"), "BIGINT"),
}
"""The types of columns in Parquet that are no strings, as DuckDB calls them."""

_VERSION_OF = {name: version for version, names in VERSIONS.items() for name in names}


def up_to(version: int) -> tuple[str, ...]:
    """All fields of the versions until this one."""
    return tuple(name for have, names in VERSIONS.items() if have <= version for name in names)


def named(log_format: str) -> tuple[str, ...]:
    """The names in a LogFormat, such as `${version} ${srcaddr}`."""
    return tuple(re.findall(r"\$\{([^}]*)\}", log_format))


def log_format(names: tuple[str, ...]) -> str:
    """The LogFormat of these fields."""
    return " ".join(f"${{{name}}}" for name in names)


def unknown(names: tuple[str, ...]) -> list[str]:
    """Names that are no field."""
    return [name for name in names if name not in _VERSION_OF]


def version_of(names: tuple[str, ...]) -> int:
    """What `version` says in records of these fields: the highest version among them."""
    return max(_VERSION_OF[name] for name in names)
