"""What Cloud Map asks of an instance's id and attributes.

Source: RegisterInstance in the AWS Cloud Map API reference.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

type Attributes = Mapping[str, str]

INSTANCE_ID = re.compile(r"[0-9a-zA-Z_/:.@-]{1,64}")
CUSTOM_LIMIT = 30
KEY_LIMIT = 255
VALUE_LIMIT = 1024
TOTAL_LIMIT = 5000
PORTS = range(1, 65536)
ADDRESSES = ("AWS_INSTANCE_IPV4", "AWS_INSTANCE_IPV6")
REQUIRED = {"A": "AWS_INSTANCE_IPV4", "AAAA": "AWS_INSTANCE_IPV6", "CNAME": "AWS_INSTANCE_CNAME"}
RESERVED = {
    *ADDRESSES,
    "AWS_ALIAS_DNS_NAME",
    "AWS_EC2_INSTANCE_ID",
    "AWS_INIT_HEALTH_STATUS",
    "AWS_INSTANCE_CNAME",
    "AWS_INSTANCE_PORT",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceShape:
    """What of a service decides which attributes its instances need."""

    records: frozenset[str] = frozenset()
    weighted: bool = False
    route53_check: bool = False
    custom_check: bool = False


def shape_of(service: Any) -> ServiceShape:
    """The shape of a service (moto's)."""
    dns = service.dns_config or {}
    return ServiceShape(
        records=frozenset(record["Type"] for record in dns.get("DnsRecords", ())),
        weighted=dns.get("RoutingPolicy") == "WEIGHTED",
        route53_check=bool(service.health_check_config),
        custom_check=service.health_check_custom_config is not None,
    )


def refusal(instance_id: str, attributes: Attributes, shape: ServiceShape) -> str:
    """Why Cloud Map refuses an instance with InvalidInput, "" if it does not."""
    if not INSTANCE_ID.fullmatch(instance_id):
        return f"Instance ID {instance_id} must match ^[0-9a-zA-Z_/:.@-]+$ and be no longer than 64 characters."
    return next(_problems(attributes, shape), "")


def _problems(attributes: Attributes, shape: ServiceShape) -> Iterator[str]:
    yield from _missing(attributes, shape)
    yield from _misplaced(attributes, shape)
    yield from _malformed(attributes)
    yield from _too_large(attributes)


def _missing(attributes: Attributes, shape: ServiceShape) -> Iterator[str]:
    if "AWS_ALIAS_DNS_NAME" not in attributes:
        for record, name in REQUIRED.items():
            if record in shape.records and name not in attributes:
                yield f"{name} is required for services with a DNS record of type {record}."
    if "SRV" in shape.records and not any(name in attributes for name in ADDRESSES):
        yield "AWS_INSTANCE_IPV4 or AWS_INSTANCE_IPV6 is required for services with a DNS record of type SRV."
    if ("SRV" in shape.records or shape.route53_check) and "AWS_INSTANCE_PORT" not in attributes:
        yield "AWS_INSTANCE_PORT is required for services with an SRV record or a Route 53 health check."


def _misplaced(attributes: Attributes, shape: ServiceShape) -> Iterator[str]:
    if "AWS_ALIAS_DNS_NAME" in attributes:
        if not shape.weighted or not shape.records & {"A", "AAAA"}:
            yield "AWS_ALIAS_DNS_NAME needs an A or AAAA record and the routing policy WEIGHTED."
        if any(name.startswith("AWS_INSTANCE_") for name in attributes):
            yield "AWS_ALIAS_DNS_NAME excludes all AWS_INSTANCE attributes."
    if "AWS_EC2_INSTANCE_ID" in attributes:
        if shape.records:
            yield "AWS_EC2_INSTANCE_ID is for HTTP namespaces only."
        if set(attributes) - {"AWS_EC2_INSTANCE_ID", "AWS_INIT_HEALTH_STATUS"}:
            yield "AWS_EC2_INSTANCE_ID excludes all other attributes but AWS_INIT_HEALTH_STATUS."
    # That it is refused without a custom health check is unverified: the stricter reading of its documentation.
    if "AWS_INIT_HEALTH_STATUS" in attributes and not shape.custom_check:
        yield "AWS_INIT_HEALTH_STATUS needs a service with HealthCheckCustomConfig."


def _malformed(attributes: Attributes) -> Iterator[str]:
    for name, version in zip(ADDRESSES, (4, 6), strict=True):
        if name in attributes and not _is_address(attributes[name], version):
            yield f"{name} {attributes[name]} is not an IPv{version} address."
    port = attributes.get("AWS_INSTANCE_PORT", "1")
    if not (port.isdecimal() and int(port) in PORTS):
        yield f"AWS_INSTANCE_PORT {port} is not a port."
    if attributes.get("AWS_INIT_HEALTH_STATUS", "HEALTHY") not in ("HEALTHY", "UNHEALTHY"):
        yield "AWS_INIT_HEALTH_STATUS must be HEALTHY or UNHEALTHY."


def _too_large(attributes: Attributes) -> Iterator[str]:
    if len(attributes.keys() - RESERVED) > CUSTOM_LIMIT:
        yield f"An instance cannot have more than {CUSTOM_LIMIT} custom attributes."
    for key, value in attributes.items():
        if not 0 < len(key) <= KEY_LIMIT or len(value) > VALUE_LIMIT:
            yield f"Attribute {key[:KEY_LIMIT]} exceeds {KEY_LIMIT} characters of name or {VALUE_LIMIT} of value."
    if sum(len(key) + len(value) for key, value in attributes.items()) > TOTAL_LIMIT:
        yield f"The attributes exceed {TOTAL_LIMIT} characters in total."


def _is_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False
