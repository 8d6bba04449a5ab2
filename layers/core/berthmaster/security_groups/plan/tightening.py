"""Rules that allow much more than what was seen in the window, and what would be enough.

A proposal is never narrower than what was, or only may have been, used. It is as good as the window is long.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from itertools import pairwise

from berthmaster.security_groups.model.evidence import RuleEvidence, Tightening
from berthmaster.security_groups.model.rules import ALL_PORTS, TCP, UDP, Direction, Network, Peer, Rule
from berthmaster.security_groups.plan.cover import Spans, union
from berthmaster.security_groups.plan.credits import united
from berthmaster.security_groups.plan.rule_text import listed, peer_text, ports_text, text_of

MOST_RULES = 8
"""What one rule may become. A group has 60 in a direction, by default."""
WORTHWHILE = 4
"""A proposal allows at most one part in so many of what the rule does."""
_MOST_BLOCKS = 64
"""Beyond that, neighbours join whatever they add."""
_DAY = 24 * 3600.0


def tightenings(
    evidence: Iterable[RuleEvidence], *, seconds: float, unproven: Collection[str] = ()
) -> list[Tightening]:
    """What rules that were used could be narrowed to.

    seconds: how long the window is. unproven: ids of rules of which logs may have missed something; nothing is proposed
    for them.
    """
    found = (_tightening(one, seconds) for one in evidence if one.rule.id not in unproven)
    return [one for one in found if one]


def _tightening(one: RuleEvidence, seconds: float) -> Tightening | None:
    rule, used = one.rule, [seen for seen in (one.credits.conversations, one.credits.possible) if seen]
    seen_peers = used[0].peers if len(used) == 1 else united(block for seen in used for block in seen.peers)
    spans = union(span for seen in used for span in seen.ports)
    if not used or not _is_inside(seen_peers, rule) or (_has_ports(rule) and not spans):
        return None
    proposals = list(_proposals(rule, seen_peers, spans))
    best = min(proposals, key=lambda proposal: (_extent(*proposal), len(proposal[0]) * len(proposal[1])))
    if _extent(*best) * WORTHWHILE > _extent((rule.peer,), (rule.ports,)):
        return None
    return Tightening(rule=rule.id, peers=best[0], ports=best[1], why=_why(rule, *best, seconds))


def _is_inside(peers: Collection[Network], rule: Rule) -> bool:
    """Whether the peers that were seen are those that the rule names: some are known by another address only."""
    if not isinstance(rule.peer, IPv4Network | IPv6Network):
        return True
    first, last = int(rule.peer.network_address), int(rule.peer.broadcast_address)
    return bool(peers) and all(
        block.version == rule.peer.version
        and first <= int(block.network_address)
        and int(block.broadcast_address) <= last
        for block in peers
    )


def _proposals(rule: Rule, seen: Collection[Network], spans: Spans) -> Iterator[tuple[tuple[Peer, ...], Spans]]:
    """Peers and ports that hold all that was seen, in at most MOST_RULES rules."""
    peers: Collection[Network] = seen
    for ranges in sorted(set(_port_choices(rule, spans)), key=len):
        if isinstance(rule.peer, IPv4Network | IPv6Network):
            peers = fewest_blocks(peers, MOST_RULES // len(ranges))
            yield tuple(peers), ranges
        else:
            yield (rule.peer,), ranges


def _port_choices(rule: Rule, spans: Spans) -> Iterator[Spans]:
    """One to MOST_RULES ranges that hold all ports that were seen; records of other protocols have none."""
    if not _has_ports(rule):
        yield (ALL_PORTS,)
        return
    for most in range(1, MOST_RULES + 1):
        yield fewest_ranges(spans, most)


def fewest_ranges(spans: Spans, most: int) -> Spans:
    """At most so many ranges that hold these, with as few other numbers as possible. spans: sorted and disjoint."""
    widest_gaps = sorted(range(1, len(spans)), key=lambda at: spans[at - 1][1] - spans[at][0])[: most - 1]
    bounds = [0, *sorted(widest_gaps), len(spans)]
    return tuple((spans[first][0], spans[end - 1][1]) for first, end in pairwise(bounds))


def fewest_blocks(networks: Collection[Network], most: int) -> list[Network]:
    """At most so many blocks that hold these, with few other addresses. networks: disjoint, of one IP version."""
    kind, bits = type(next(iter(networks))), next(iter(networks)).max_prefixlen
    ordered = sorted((int(one.network_address), int(one.broadcast_address)) for one in networks)
    blocks = _joined(ordered, _MOST_BLOCKS)
    costs = [_added(one, other) for one, other in pairwise(blocks)]
    while len(blocks) > most:
        at = costs.index(min(costs))
        wider = _around(blocks[at], blocks[at + 1])
        begin = bisect_left(blocks, (wider[0], 0))
        end = bisect_right(blocks, (wider[1], wider[1]))
        blocks[begin:end] = [wider]
        near = max(0, begin - 1)
        costs[near:end] = [_added(one, other) for one, other in pairwise(blocks[near : begin + 2])]
    return [kind((first, bits - (last - first).bit_length())) for first, last in blocks]


def _joined(blocks: Sequence[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """At most so many: those join that are in one block of a size, the smallest size that will do."""
    sizes = [(one[0] ^ other[1]).bit_length() for one, other in pairwise(blocks)]
    widest = sorted(sizes, reverse=True)[most - 1] if len(sizes) >= most else 0
    joined = [blocks[0]]
    for size, block in zip(sizes, blocks[1:], strict=True):
        if size <= widest:
            joined[-1] = _around(joined[-1], block)
        else:
            joined.append(block)
    return joined


def _around(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """The smallest block that holds both."""
    host = (1 << (one[0] ^ other[1]).bit_length()) - 1
    return one[0] & ~host, one[0] | host


def _added(one: tuple[int, int], other: tuple[int, int]) -> int:
    """How many addresses are between them in the smallest block that holds both."""
    first, last = _around(one, other)
    return (last - first) - (one[1] - one[0]) - (other[1] - other[0])


def _extent(peers: Collection[Peer], spans: Spans) -> int:
    """Pairs of address and port; groups and prefix lists count as one address."""
    addresses = sum(one.num_addresses if isinstance(one, IPv4Network | IPv6Network) else 1 for one in peers)
    return addresses * sum(last - first + 1 for first, last in spans)


def _why(rule: Rule, peers: Collection[Peer], spans: Spans, seconds: float) -> str:
    towards = "from" if rule.direction is Direction.INGRESS else "to"
    names = listed([peer_text(one) for one in peers], MOST_RULES)
    enough = f"{towards} {names}"
    if _has_ports(rule):
        enough = f"{listed([ports_text(one) for one in spans], MOST_RULES)} {enough}"
    untracked = "; a change interrupts connections that are not tracked" if _is_for_anybody(rule) else ""
    return (
        f"{text_of(rule)}: {enough} would have been enough for all traffic of {seconds / _DAY:.0f} days; "
        f"what happens less often is not in it{untracked}"
    )


def _has_ports(rule: Rule) -> bool:
    return rule.protocol in {TCP, UDP}


def _is_for_anybody(rule: Rule) -> bool:
    return isinstance(rule.peer, IPv4Network | IPv6Network) and rule.peer.prefixlen == 0
