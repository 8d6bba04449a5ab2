"""What names only the old blocks of a VPC, and would drop or not route the traffic of a new one."""

from collections.abc import Sequence
from ipaddress import IPv4Network

from berthmaster.capacity.model import Mention, VpcSnapshot

SHARED_SPACE = IPv4Network("100.64.0.0/10")
_ANYWHERE = IPv4Network("0.0.0.0/0")
_LISTED = 40


def blind_spots(snapshot: VpcSnapshot, block: IPv4Network, *, eks: bool) -> tuple[str, ...]:
    """One warning for each rule or route that names a block of the VPC, or a part of it, and not the new block.

    eks: whether pods will use the block.
    """
    mentions = sorted(dict.fromkeys(snapshot.mentions), key=lambda one: (one.where, one.cidr))
    blind = [one for one in mentions if _concerns(one, snapshot.cidrs) and not block.subnet_of(one.cidr)]
    warnings = [f"{one.where} names {one.cidr} and not {block}" for one in blind[:_LISTED]]
    if len(blind) > _LISTED:
        warnings.append(f"{len(blind) - _LISTED} more rules and routes name only the old blocks")
    if eks and block.subnet_of(SHARED_SPACE):
        warnings.append(
            f"pods in {block} leave the VPC with their own address if AWS_VPC_K8S_CNI_EXTERNALSNAT is true or security "
            "groups for pods are strict: check that on-premises and transit routes have the block"
        )
    if eks:
        warnings.append(
            f"the EKS control plane can take up to an hour to accept {block}: until then exec, logs and webhooks fail"
        )
    return tuple(warnings)


def _concerns(mention: Mention, cidrs: Sequence[IPv4Network]) -> bool:
    return mention.cidr != _ANYWHERE and any(mention.cidr.overlaps(cidr) for cidr in cidrs)
