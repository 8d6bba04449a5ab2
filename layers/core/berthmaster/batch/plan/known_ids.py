"""Ids of very many files, by key: 15 bytes each, so that millions of them fit into a function's memory. Pure."""

from bisect import bisect_left
from collections.abc import Iterable

from berthmaster.batch.plan.identity import DIGITS, KEY_DIGITS

_BYTES, _KEY_BYTES = DIGITS // 2, KEY_DIGITS // 2
_BLOCKS = 256
"""By the first byte of an id: sorting one needs little memory."""


class KnownIds:
    """A growing set of ids. Many are added before the first of them is looked for; afterwards a few at a time."""

    def __init__(self) -> None:
        self._blocks = [bytearray() for _ in range(_BLOCKS)]
        self._unsorted = [False] * _BLOCKS

    def add(self, ids: Iterable[str]) -> None:
        """Add ids, known ones too."""
        for one in ids:
            packed = bytes.fromhex(one)
            self._blocks[packed[0]] += packed
            self._unsorted[packed[0]] = True

    def of_key(self, identifier: str) -> set[str]:
        """The ids of all versions of the key of a file."""
        key = bytes.fromhex(identifier[:KEY_DIGITS])
        block = self._sorted(key[0])
        place = bisect_left(range(len(block) // _BYTES), key, key=lambda number: _at(block, number)[:_KEY_BYTES])
        found = set()
        while (one := _at(block, place))[:_KEY_BYTES] == key:
            found.add(one.hex())
            place += 1
        return found

    def __contains__(self, identifier: str) -> bool:
        """Whether an id was added."""
        return identifier in self.of_key(identifier)

    def _sorted(self, number: int) -> bytearray:
        block = self._blocks[number]
        if self._unsorted[number]:
            block = bytearray().join(sorted({_at(block, place) for place in range(len(block) // _BYTES)}))
            self._blocks[number], self._unsorted[number] = block, False
        return block


def _at(block: bytearray, number: int) -> bytes:
    return bytes(block[number * _BYTES : (number + 1) * _BYTES])
