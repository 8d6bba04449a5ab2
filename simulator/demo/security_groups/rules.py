"""The rules that the shop begins with: what they are for, and whether they are still needed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SHOP = "10.40.0.0/16"
ANYWHERE = "0.0.0.0/0"
OFFICE, STANDBY, SUPPLIER = "192.168.7.0/24", "10.60.0.0/16", "185.12.34.0/24"
CLOSING, STATEMENTS, AUDIT, CONTROLLER, SUPPLIER_PORT = 9042, 5433, 8086, 8443, 8444


class Need(StrEnum):
    """Who needs a rule."""

    DAILY = "used every day"
    RARE = "needed, but seldom used"
    NOBODY = "used by nobody"
    COVERED = "used, but covered by another rule"
    DEFINED = "defined in a CloudFormation stack, and used by nobody"


@dataclass(frozen=True, slots=True)
class ShopRule:
    """A rule. peer: a CIDR, or the name of a group. purpose: its description."""

    group: str
    direction: str
    protocol: str
    ports: tuple[int, int]
    peer: str
    need: Need
    purpose: str = ""

    @property
    def text(self) -> str:
        """As people write it."""
        first, last = self.ports
        ports = "" if self.protocol == "-1" else f" {first}" if first == last else f" {first}-{last}"
        protocol = "all traffic" if self.protocol == "-1" else self.protocol
        between = "from" if self.direction == "ingress" else "to"
        peer = {ANYWHERE: "anywhere"}.get(self.peer, self.peer)
        return f"{self.group}: {protocol}{ports} {between} {peer}"


def _in(group: str, port: int, peer: str, need: Need = Need.NOBODY, purpose: str = "") -> ShopRule:
    return ShopRule(group, "ingress", "tcp", (port, port), peer, need, purpose)


def _out(group: str, port: int, peer: str, need: Need = Need.NOBODY, purpose: str = "") -> ShopRule:
    return ShopRule(group, "egress", "tcp", (port, port), peer, need, purpose)


USED = (
    _in("front", 443, ANYWHERE, Need.DAILY),
    ShopRule("front", "egress", "tcp", (8080, CONTROLLER), "shop", Need.DAILY),
    _in("shop", 8080, "front", Need.DAILY),
    _out("shop", 443, ANYWHERE, Need.DAILY, "payments"),
    _out("shop", 5432, "orders", Need.DAILY),
    _out("shop", 6379, "cache", Need.DAILY),
    _out("shop", 9200, "search", Need.DAILY),
    ShopRule("shop", "egress", "udp", (8125, 8125), "jobs", Need.DAILY, "metrics"),
    _in("orders", 5432, "shop", Need.DAILY),
    _out("orders", 443, ANYWHERE, Need.DAILY, "backups"),
    _in("cache", 6379, "shop", Need.DAILY),
    _in("search", 9200, "shop", Need.DAILY),
    ShopRule("jobs", "ingress", "udp", (8125, 8125), "shop", Need.DAILY, "metrics"),
    ShopRule("jobs", "egress", "-1", (0, 65535), ANYWHERE, Need.DAILY),
    _in("archive", 9100, SHOP, Need.DAILY, "metrics"),
)
RARE = (
    _in("archive", CLOSING, "jobs", Need.RARE, "monthly closing"),
    _in("archive", STATEMENTS, "jobs", Need.RARE, "quarterly statements"),
    _in("archive", AUDIT, "jobs", Need.RARE, "audit"),
    _in("front", SUPPLIER_PORT, SUPPLIER, Need.RARE, "orders of the supplier"),
    _in("orders", 5432, STANDBY, Need.RARE, "standby site"),
    _in("shop", CONTROLLER, "front", Need.RARE, "elbv2.k8s.aws/targetGroupBinding=shared"),
)
IDLE = (
    _in("front", 8444, "185.99.0.0/24", purpose="pilot 2023"),
    _in("shop", 8081, "front", purpose="debugging"),
    _in("shop", 22, "10.40.9.0/24", purpose="ssh"),
    _out("shop", 3306, "orders", purpose="before the migration"),
    _out("shop", 11211, "cache", purpose="memcached"),
    _in("orders", 3306, "shop", purpose="before the migration"),
    _in("orders", 5432, "192.168.0.0/16", purpose="the old VPN"),
    _in("cache", 11211, "shop", purpose="memcached"),
    _in("cache", 6379, "192.168.0.0/16", purpose="the old VPN"),
    _in("archive", 22, OFFICE, purpose="ssh"),
    _in("jobs", 22, OFFICE, purpose="ssh"),
    _in("jobs", 8888, "185.99.1.0/24", purpose="a notebook"),
    ShopRule("orders", "egress", "tcp", (1024, 65535), SHOP, Need.NOBODY, "responses"),
)
COVERED = (_in("archive", 9100, "10.40.0.64/26", Need.COVERED, "metrics of zone b"),)
DEFINED = (_in("search", 9300, "10.40.5.0/24", Need.DEFINED),)
RULES = (*USED, *RARE, *IDLE, *COVERED, *DEFINED)
GROUPS = ("front", "shop", "orders", "cache", "archive", "jobs", "search")
STACK = "search"
"""The group that a CloudFormation stack has made."""
