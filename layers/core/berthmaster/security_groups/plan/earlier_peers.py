"""Who held conversations under a rule before: if their traffic is rejected, it was wrong to remove the rule."""

from collections.abc import Collection, Mapping

from berthmaster.security_groups.model.rules import Network
from berthmaster.security_groups.model.sources import Evidence
from berthmaster.security_groups.plan.credits import united

EXACT = {4: 29, 6: 65}
"""The shortest prefixes of blocks that hold nobody but peers: evidence of many peers is widened to shorter ones."""
MOST = 256
"""Blocks of one rule that are kept: whoever watches rejected traffic reads those of all removals every half minute."""


class EarlierPeers:
    """The peers of certain conversations, while evidence comes in. Blocks that may hold others are left out."""

    def __init__(self, rules: Collection[str]) -> None:
        self._peers: dict[str, set[Network]] = {rule: set() for rule in rules}

    def add(self, evidence: Evidence) -> None:
        """Add what some objects say."""
        for rule, peers in self._peers.items():
            credits_ = evidence.credits.get(rule)
            if credits_ and credits_.conversations:
                seen = credits_.conversations.peers
                peers.update(one for one in seen if one.prefixlen >= EXACT[one.version])

    def peers(self) -> Mapping[str, tuple[Network, ...]]:
        """By rule, in order; of more than MOST blocks, the largest ones."""
        return {rule: _largest(united(peers)) for rule, peers in self._peers.items()}


def _largest(peers: Collection[Network]) -> tuple[Network, ...]:
    ordered = sorted(peers, key=lambda one: (one.version, one.prefixlen, one))
    return tuple(ordered[:MOST])
