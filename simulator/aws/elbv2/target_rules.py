"""What RegisterTargets and DeregisterTargets refuse: wrong addresses and zones, draining targets, too many of them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any

from simulator.aws.ec2.lookup import subnets_of
from simulator.aws.elbv2.targets import Targets, WhileDraining
from simulator.aws.service_quotas.quotas import Quotas
from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from simulator.account import Account
    from simulator.aws.elbv2.targets import Key

type Address = IPv4Address | IPv6Address
type Item = Mapping[str, Any]

PER_GROUP = "L-A0D0B863"
PER_APPLICATION_LOAD_BALANCER = "L-7E6692B2"
PER_NETWORK_LOAD_BALANCER = "L-EEF1AD04"
PER_ZONE_OF_NETWORK_LOAD_BALANCER = "L-B211E961"
CROSS_ZONE = "load_balancing.cross_zone.enabled"
ANYWHERE = "all"
# Publicly routable addresses cannot be targets (both guides, "Register targets by IP address").
PRIVATE = [IPv4Network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]


def is_cross_zone(group: Any, load_balancer: Any) -> bool:
    """Whether each node of a load balancer routes to a group's targets in all zones.

    An Application Load Balancer's own setting is always on; a Network Load Balancer's is off by default.
    """
    setting = str(group.attributes[CROSS_ZONE])
    if setting != "use_load_balancer_configuration":
        return setting == "true"
    return load_balancer.type == "application" or str(load_balancer.attrs.get(CROSS_ZONE)) == "true"


def check_registration(group: Any, items: Sequence[Item]) -> None:
    """Refuse targets that are not what the group's type is made of."""
    for item in items:
        address = _address(item["Id"])
        if group.target_type != "ip":
            if address is not None:
                message = f"The IP address '{item['Id']}' cannot be a target of type '{group.target_type}'"
                raise AwsError("InvalidTarget", message)
        elif address is None or f"ipv{address.version}" != group.ip_address_type:
            raise AwsError("ValidationError", f"'{item['Id']}' is not a valid {group.ip_address_type} address")


def check_validity(account: Account, keys: Iterable[Key]) -> None:
    """Refuse a whole call because of targets in it that AWS calls invalid.

    Which ones are is documented for instances only. Texts of this form are in hashicorp/terraform#20345 and
    kubernetes-sigs/aws-load-balancer-controller#272; that addresses get it, too, is unverified.
    """
    if invalid := [f"'{ip}'" for ip, port in keys if account.state(Targets).is_invalid(ip, port)]:
        raise AwsError("InvalidTarget", f"The following targets are not valid: {', '.join(invalid)}")


def check_zones_and_limits(account: Account, group: Any, items: Mapping[Key, Item]) -> dict[Key, str]:
    """The zone of each target to register, or AWS's first refusal."""
    subnets = _networks(account, group.vpc_id)
    known_zones = {zone.name for zone in account.backend("ec2").describe_availability_zones()}
    zones = {key: _zone(group, item, subnets, known_zones) for key, item in items.items()}
    present = account.state(Targets).of(group.arn)
    if account.state(Targets).while_draining is WhileDraining.REFUSED:
        for ip, port in zones:
            if (ip, port) in present and present[ip, port].drains:
                reason = "is deregistering; wait for the deregistration delay to pass"
                raise AwsError("InvalidTarget", f"The target '{ip}' on port {port} {reason}")
    _check_limits(account, group, [zone for key, zone in zones.items() if key not in present])
    return zones


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _networks(account: Account, vpc_id: str) -> list[tuple[IPv4Network | IPv6Network, str]]:
    subnets = subnets_of(account, vpc_id)
    ipv6 = [
        (IPv6Network(association["ipv6CidrBlock"]), subnet.availability_zone)
        for subnet in subnets
        for association in subnet.ipv6_cidr_block_associations.values()
    ]
    return [(subnet.cidr, subnet.availability_zone) for subnet in subnets] + ipv6


def _zone(
    group: Any, item: Item, subnets: Iterable[tuple[IPv4Network | IPv6Network, str]], known_zones: set[str]
) -> str:
    """The zone that a target belongs to, or `all`.

    An address is "in the VPC" if a subnet holds it: a CIDR block without subnet does not count
    (kubernetes-sigs/aws-load-balancer-controller#3714). The texts are those of that report and of #561; the ones about
    zones that do not exist and about cross-zone load balancing are unverified.
    """
    text, asked = item["Id"], item.get("AvailabilityZone")
    address = ip_address(text)
    for network, zone in subnets:
        if address in network:
            if asked not in (None, zone):
                overridden = f"cannot have its Availability Zone overridden to '{asked}' from '{zone}'"
                raise _invalid(f"The IP address '{text}' is within the VPC, and {overridden}")
            return zone
    if isinstance(address, IPv4Address) and not any(address in network for network in PRIVATE):
        raise _invalid(f"The IP address '{text}' is publicly routable, and cannot be a target")
    if asked is None:
        raise _invalid(f"The Availability Zone is required for IP address '{text}' because it is not in the VPC")
    is_application = group.protocol in ("HTTP", "HTTPS")
    if asked == ANYWHERE and is_application and str(group.attributes[CROSS_ZONE]) == "false":
        reason = f"for IP address '{text}' because cross-zone load balancing is off for the target group"
        raise _invalid(f"When you register targets outside the VPC, you must specify an Availability Zone {reason}")
    if asked != ANYWHERE and asked not in known_zones:
        place = "or a valid Availability Zone when not within the VPC"
        raise _invalid(f"The Availability Zone for IP address '{text}' must be 'all' {place}")
    return str(asked)


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def _check_limits(account: Account, group: Any, new_zones: Sequence[str]) -> None:
    """Count what is registered and what drains; the texts about groups and zones are unverified."""
    if not new_zones:
        return
    targets = account.state(Targets)
    _check_limit(account, PER_GROUP, len(targets.of(group.arn)) + len(new_zones), "target group", group.arn)
    for load_balancer in targets.load_balancers(group):
        placed = [(group, zone) for zone in new_zones]
        placed += [
            (other, target.zone)
            for other in account.backend("elbv2").target_groups.values()
            if load_balancer.arn in other.load_balancer_arns
            for target in targets.of(other.arn).values()
        ]
        if load_balancer.type == "application":
            quota = PER_APPLICATION_LOAD_BALANCER
        else:
            quota = PER_NETWORK_LOAD_BALANCER
            _check_zones(account, load_balancer, placed)
        _check_limit(account, quota, len(placed), "load balancer", load_balancer.arn)


def _check_zones(account: Account, load_balancer: Any, placed: Sequence[tuple[Any, str]]) -> None:
    """Each node knows the targets of its zone, and with cross-zone load balancing those of all zones."""
    for zone in dict.fromkeys(subnet.availability_zone for subnet in load_balancer.subnets):
        count = sum(1 for group, place in placed if place in (zone, ANYWHERE) or is_cross_zone(group, load_balancer))
        where = f"Availability Zone '{zone}' of load balancer"
        _check_limit(account, PER_ZONE_OF_NETWORK_LOAD_BALANCER, count, where, load_balancer.arn)


def _check_limit(account: Account, quota: str, count: int, where: str, arn: str) -> None:
    limit = int(account.state(Quotas).value(quota))
    if count > limit:
        # The text is in kubernetes/kubernetes#86441.
        message = f"The maximum number of targets per {where} '{limit}' has been reached on {where} '{arn}'"
        raise AwsError("TooManyTargets", message)
