"""Whether areas of traffic are covered by others, exactly and jointly.

CIDR blocks are nested or disjoint. So an area is covered if its ports are covered by areas of blocks that contain its
own, and otherwise if those that are left are covered in both halves of its block. In pure Python: 1,000 rules take some
20 ms (`python -m benchmarks redundancy`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

type Spans = tuple[tuple[int, int], ...]
"""Numbers from and to, sorted and disjoint."""


class Area(NamedTuple):
    """Traffic with one block of addresses.

    plane: areas of different planes have nothing in common: protocols, families. first, last: of the block, whose size
    is a power of two. spans: ports, or what else a protocol has.
    """

    plane: Hashable
    first: int
    last: int
    spans: Spans

    @property
    def size(self) -> int:
        """How many pairs of address and port."""
        return (self.last - self.first + 1) * sum(last - first + 1 for first, last in self.spans)

    def within(self, other: "Area") -> "Area | None":
        """What it has in common with an area of the same plane."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        spans = intersection(self.spans, other.spans)
        return Area(self.plane, first, last, spans) if first <= last and spans else None


class Covered:
    """Areas of owners (rules), each of which can be taken out. Those of one owner have nothing in common.

    >>> covered = Covered({rule.id: areas_of(rule) for rule in rules})
    >>> covered.by_others("sgr-1", areas_of(rule))
    """

    def __init__(self, areas: Mapping[str, Iterable[Area]]) -> None:
        self._areas = {owner: tuple(its) for owner, its in areas.items()}
        by_plane: dict[Hashable, dict[tuple[int, int], list[tuple[str, Spans]]]] = {}
        for owner, its in self._areas.items():
            for area in its:
                blocks = by_plane.setdefault(area.plane, {})
                blocks.setdefault((area.first, -area.last), []).append((owner, area.spans))
        self._planes = {plane: _Plane(blocks) for plane, blocks in by_plane.items()}

    def __contains__(self, owner: str) -> bool:
        """Whether the owner is left."""
        return owner in self._areas

    def take_out(self, owner: str) -> None:
        """Forget the areas of an owner."""
        for area in self._areas.pop(owner):
            self._planes[area.plane].remove(owner, area)

    def by_others(self, owner: str, areas: Iterable[Area]) -> bool:
        """Whether the areas are covered by those of all other owners that are left."""
        return all(area.plane in self._planes and self._planes[area.plane].covers(area, owner) for area in areas)

    def coverers(self, areas: Sequence[Area], rank: Mapping[str, int]) -> tuple[str, ...]:
        """Owners that are left and cover the areas together, none of them dispensable; a single one if one does alone.

        areas: in different planes or disjoint, and covered. rank: of the owners; of equals the lower is taken.
        """
        alone = set.intersection(*(set(self._planes[area.plane].containing(area)) for area in areas))
        return (min(alone, key=rank.__getitem__),) if alone else self._several(areas, rank)

    def _several(self, areas: Sequence[Area], rank: Mapping[str, int]) -> tuple[str, ...]:
        parts: dict[str, list[Area]] = {}
        for area in areas:
            for owner, part in self._planes[area.plane].overlapping(area):
                parts.setdefault(owner, []).append(part)
        sizes = {owner: sum(part.size for part in its) for owner, its in parts.items()}
        largest_first = sorted(parts, key=lambda owner: (-sizes[owner], rank[owner]))
        left = Covered(parts)
        for owner in reversed(largest_first):
            if left.by_others(owner, parts[owner]):
                left.take_out(owner)
        return tuple(owner for owner in largest_first if owner in left)


class _Plane:
    """The blocks of a plane in order, each before those inside it."""

    def __init__(self, blocks: Mapping[tuple[int, int], list[tuple[str, Spans]]]) -> None:
        self._keys = sorted(blocks)
        self._firsts = [first for first, _ in self._keys]
        self._lasts = [-last for _, last in self._keys]
        self._nodes = [_Node(blocks[key]) for key in self._keys]
        self._parents = [-1] * len(self._keys)
        open_ones: list[int] = []
        for index, first in enumerate(self._firsts):
            while open_ones and self._lasts[open_ones[-1]] < first:
                open_ones.pop()
            self._parents[index] = open_ones[-1] if open_ones else -1
            open_ones.append(index)

    def remove(self, owner: str, area: Area) -> None:
        self._nodes[bisect_left(self._keys, (area.first, -area.last))].remove(owner, area.spans)

    def covers(self, area: Area, without: str) -> bool:
        key = (area.first, -area.last)
        begin = bisect_left(self._keys, key)
        left = area.spans
        for index in self._around(area, begin - 1):
            left = self._nodes[index].subtracted_from(left)
            if not left:
                return True
        if begin < len(self._keys) and self._keys[begin] == key:
            left = self._nodes[begin].subtracted_from(left, without)
            begin += 1
        end = bisect_right(self._firsts, area.last, begin)
        return not left or self._halves_cover(begin, end, area.first, area.last, left)

    def containing(self, area: Area) -> Iterator[str]:
        """The owners each of which covers the area alone."""
        begin = bisect_left(self._keys, (area.first, -area.last))
        is_there = begin < len(self._keys) and self._keys[begin] == (area.first, -area.last)
        for index in (*self._around(area, begin - 1), *([begin] if is_there else ())):
            for spans, owner in self._nodes[index].meeting(area.spans):
                if not difference(area.spans, spans):
                    yield owner

    def overlapping(self, area: Area) -> Iterator[tuple[str, Area]]:
        begin = bisect_left(self._keys, (area.first, -area.last))
        end = bisect_right(self._firsts, area.last, begin)
        for index in (*self._around(area, begin - 1), *range(begin, end)):
            for spans, owner in self._nodes[index].meeting(area.spans):
                part = Area(area.plane, self._firsts[index], self._lasts[index], spans).within(area)
                if part:
                    yield owner, part

    def _around(self, area: Area, index: int) -> Iterator[int]:
        """The blocks that contain the area's and are not the same, the smallest first. index: the block before it."""
        while index >= 0:
            if self._lasts[index] >= area.last:
                yield index
            index = self._parents[index]

    def _halves_cover(self, begin: int, end: int, first: int, last: int, left: Spans) -> bool:
        """Whether the blocks from begin to end, all inside first to last and smaller, cover what is left there."""
        if begin == end or first == last:
            return False
        middle = first + (last - first) // 2
        split = bisect_right(self._firsts, middle, begin, end)
        if split in {begin, end}:
            return False
        halves = [(begin, split, first, middle), (split, end, middle + 1, last)]
        halves.sort(key=lambda half: half[1] - half[0])  # the emptier one is more likely to fail
        return all(self._half_covers(*half, left) for half in halves)

    def _half_covers(self, begin: int, end: int, first: int, last: int, left: Spans) -> bool:
        if self._keys[begin] == (first, -last):
            left = self._nodes[begin].subtracted_from(left)
            begin += 1
        return not left or self._halves_cover(begin, end, first, last, left)


class _Node:
    """The owners of one block, by their ports."""

    def __init__(self, entries: Iterable[tuple[str, Spans]]) -> None:
        self._entries = sorted((spans, owner) for owner, spans in entries)
        self._owners = {owner for _, owner in self._entries}
        # Of what is up to an index; after a removal possibly too high, which costs time only.
        self._highest = list(accumulate((spans[-1][1] for spans, _ in self._entries), max))
        self._union = union(span for spans, _ in self._entries for span in spans)

    def remove(self, owner: str, spans: Spans) -> None:
        index = bisect_left(self._entries, (spans, owner))
        self._union = difference(self._union, self.subtracted_from(spans, without=owner))
        self._owners.remove(owner)
        del self._entries[index], self._highest[index]

    def meeting(self, spans: Spans) -> Iterator[tuple[Spans, str]]:
        """Those that may have ports in common with the spans."""
        index = bisect_right(self._entries, spans[-1][1], key=_first_number) - 1
        while index >= 0 and self._highest[index] >= spans[0][0]:
            yield self._entries[index]
            index -= 1

    def subtracted_from(self, left: Spans, without: str = "") -> Spans:
        if without not in self._owners:
            return difference(left, self._union)
        for spans, owner in self.meeting(left):
            if owner != without:
                left = difference(left, spans)
                if not left:
                    break
        return left


def union(spans: Iterable[tuple[int, int]]) -> Spans:
    """The numbers in any of them; adjacent spans are joined."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], last)
        else:
            joined.append((first, last))
    return tuple(joined)


def difference(spans: Spans, others: Spans) -> Spans:
    """The numbers of `spans` that are not in `others`."""
    left: list[tuple[int, int]] = []
    for first, last in spans:
        begin = first
        for index in range(bisect_left(others, first, key=_last), len(others)):
            cut_first, cut_last = others[index]
            if cut_first > last:
                break
            if begin < cut_first:
                left.append((begin, cut_first - 1))
            begin = cut_last + 1
        if begin <= last:
            left.append((begin, last))
    return tuple(left)


def intersection(spans: Spans, others: Spans) -> Spans:
    """The numbers in both."""
    return difference(spans, difference(spans, others))


def _first_number(entry: tuple[Spans, str]) -> int:
    return entry[0][0][0]


def _last(span: tuple[int, int]) -> int:
    return span[1]
