"""What names the old address ranges of a VPC, and would drop, divert or not route the traffic of new ones."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, collapse_addresses

from berthmaster.capacity.model.plan import NewBlock, NewSubnet
from berthmaster.capacity.model.vpc import Mention, VpcSnapshot
from berthmaster.capacity.plan.demand import groups_of

SHARED_SPACE = IPv4Network("100.64.0.0/10")
_ANYWHERE = IPv4Network("0.0.0.0/0")
_LISTED = 40


@dataclass(frozen=True, slots=True)
class _Addition:
    """A new range, and the ranges whose tasks and pods will get addresses from it too."""

    new: IPv4Network
    old: tuple[IPv4Network, ...]


def blind_spots(
    snapshot: VpcSnapshot, block: NewBlock | None, subnets: Sequence[NewSubnet], *, eks: bool
) -> tuple[str, ...]:
    """One warning for each rule or route that names what is expanded, or a part of it, and not what is new.

    Rules for other subnets of the VPC are not concerned.
    block: the one that the subnets lie in, if it is new. eks: whether pods will use the subnets.
    """
    additions = _additions(snapshot, block, subnets)
    mentions = sorted(
        dict.fromkeys((*snapshot.mentions, *_own_routes(snapshot))), key=lambda one: (one.where, one.cidr)
    )
    named = defaultdict(list)
    for mention in mentions:
        named[mention.where].append(mention.cidr)
    covered = {where: list(collapse_addresses(cidrs)) for where, cidrs in named.items()}
    blind = [
        f"{mention.where} names {mention.cidr} and not {addition.new}"
        for mention in mentions
        for addition in additions
        if mention.cidr != _ANYWHERE
        and any(mention.cidr.overlaps(old) for old in addition.old)
        and not any(addition.new.subnet_of(cidr) for cidr in covered[mention.where])
    ]
    warnings = blind[:_LISTED]
    if len(blind) > _LISTED:
        warnings.append(f"{len(blind) - _LISTED} more rules and routes name only the old ranges")
    if block:
        warnings += _of_new_block(snapshot, block.cidr, eks=eks)
    return tuple(warnings)


def _additions(snapshot: VpcSnapshot, block: NewBlock | None, subnets: Sequence[NewSubnet]) -> list[_Addition]:
    ranges = {group.origin.id: [member.cidr for member in group.members] for group in groups_of(snapshot.subnets)}

    def old(planned: Iterable[NewSubnet]) -> tuple[IPv4Network, ...]:
        return tuple(cidr for one in planned for cidr in ranges[one.sibling_id])

    return [_Addition(block.cidr, old(subnets))] if block else [_Addition(one.cidr, old([one])) for one in subnets]


def _own_routes(snapshot: VpcSnapshot) -> Iterator[Mention]:
    """Routes of the VPC's own tables that lead its traffic through something, such as a firewall's endpoint."""
    for table in snapshot.route_tables:
        where = f"route table {table.id}" + "".join(f" of {gateway}" for gateway in table.gateway_ids)
        for route in table.routes:
            if any(route.destination.subnet_of(cidr) for cidr in snapshot.cidrs):
                yield Mention(where=f"{where}, which leads to {route.target},", cidr=route.destination)


def _of_new_block(snapshot: VpcSnapshot, block: IPv4Network, *, eks: bool) -> Iterator[str]:
    if any(block.overlaps(one) for one in snapshot.neighbours):
        yield f"another VPC has {block} too: do not route between the two"
    for table in snapshot.route_tables:
        for prefix_list in table.unread_lists:
            yield (
                f"the entries of {prefix_list} in route table {table.id} cannot be read: AWS refuses {block} if it "
                "contains one of them"
            )
    if not eks:
        return
    if block.subnet_of(SHARED_SPACE):
        yield (
            f"pods in {block} leave the VPC with their own address if AWS_VPC_K8S_CNI_EXTERNALSNAT is true or security "
            "groups for pods are strict: check that on-premises and transit routes have the block"
        )
    yield f"the EKS control plane can take up to an hour to accept {block}: until then exec, logs and webhooks fail"
