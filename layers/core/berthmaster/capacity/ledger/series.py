"""The use of subnets over time, in columns.

1,000 subnets sampled every five minutes for 14 days are four million samples, and the forecast reads all of them in
every cycle: a column is an array of 16-bit numbers, two bytes a sample, and sums run over whole columns.
"""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import compress
from operator import add

GAP = 0xFFFF
"""No sample. The largest subnet, a /16, has 65,531 addresses to assign, so no sample is ever this high."""

type Column = array[int]
type Usage = tuple[int | None, int | None]
"""Used addresses and blocked prefixes of a subnet; None where it was not measured."""


@dataclass(slots=True)
class UsageHistory:
    """Samples of any number of subnets, at ascending minutes since the epoch.

    used: the addresses that AWS does not count as free. blocked: the /28 blocks that could be assigned if the subnet
    were empty, and cannot now. Both have a column for every subnet, as long as `minutes`, with GAP where there is no
    sample.
    """

    minutes: list[int] = field(default_factory=list)
    used: dict[str, Column] = field(default_factory=dict)
    blocked: dict[str, Column] = field(default_factory=dict)

    def addresses(self, subnet_ids: Collection[str]) -> list[tuple[int, int]]:
        """(minute, used addresses) of a group of subnets, oldest first.

        A minute counts if it has a sample of every member that has had its first sample by then: a missing sample is a
        gap in the sum too, never a drop.
        """
        return self._sum(self.used, subnet_ids)

    def prefixes(self, subnet_ids: Collection[str]) -> list[tuple[int, int]]:
        """(minute, blocked prefixes) of a group of subnets; see `addresses`."""
        return self._sum(self.blocked, subnet_ids)

    def add(self, minute: int, usage: Mapping[str, Usage]) -> None:
        """Add one sample of each of these subnets."""
        self.merge(
            UsageHistory(
                [minute],
                {subnet: _cell(addresses) for subnet, (addresses, _) in usage.items()},
                {subnet: _cell(prefixes) for subnet, (_, prefixes) in usage.items()},
            )
        )

    def merge(self, other: "UsageHistory") -> None:
        """Add the samples of another history; where both have one, the other's is taken."""
        if not other.minutes:
            return
        if self.minutes and other.minutes[0] <= self.minutes[-1]:
            self._interleave(other)
        else:
            self._append(other)

    def between(self, first: int, end: int) -> "UsageHistory":
        """The samples from the minute `first` up to but not including `end`, of the subnets that have any."""
        start, stop = bisect_left(self.minutes, first), bisect_left(self.minutes, end)
        gaps = _gaps(stop - start)
        used = {subnet: column[start:stop] for subnet, column in self.used.items()}
        blocked = {subnet: column[start:stop] for subnet, column in self.blocked.items()}
        sampled = [subnet for subnet in used if used[subnet] != gaps or blocked[subnet] != gaps]
        return UsageHistory(
            self.minutes[start:stop],
            {subnet: used[subnet] for subnet in sampled},
            {subnet: blocked[subnet] for subnet in sampled},
        )

    def of(self, subnet_ids: Collection[str]) -> "UsageHistory":
        """The samples of these subnets, all of which are known."""
        return UsageHistory(
            self.minutes,
            {subnet: self.used[subnet] for subnet in subnet_ids},
            {subnet: self.blocked[subnet] for subnet in subnet_ids},
        )

    def _append(self, other: "UsageHistory") -> None:
        before, after = _gaps(len(self.minutes)), _gaps(len(other.minutes))
        for mine, theirs in ((self.used, other.used), (self.blocked, other.blocked)):
            for subnet in theirs.keys() - mine.keys():
                mine[subnet] = before[:]
            for subnet, column in mine.items():
                column.extend(theirs.get(subnet, after))
        self.minutes.extend(other.minutes)

    def _interleave(self, other: "UsageHistory") -> None:
        known = set(self.minutes)
        for minute in other.minutes:
            if minute not in known:
                place = bisect_left(self.minutes, minute)
                self.minutes.insert(place, minute)
                for columns in (self.used, self.blocked):
                    for column in columns.values():
                        column.insert(place, GAP)
        places = [bisect_left(self.minutes, minute) for minute in other.minutes]
        for mine, theirs in ((self.used, other.used), (self.blocked, other.blocked)):
            for subnet, column in theirs.items():
                target = mine.setdefault(subnet, _gaps(len(self.minutes)))
                for place, value in zip(places, column, strict=True):
                    if value != GAP:
                        target[place] = value

    def _sum(self, columns: Mapping[str, Column], subnet_ids: Collection[str]) -> list[tuple[int, int]]:
        members = [columns[subnet] for subnet in subnet_ids if subnet in columns]
        if len(members) == 1:
            return [sample for sample in zip(self.minutes, members[0], strict=True) if sample[1] != GAP]
        total = [0] * len(self.minutes)
        counts = [True] * len(self.minutes)
        start = len(self.minutes)
        for column in members:
            values = column.tolist()
            first = next((place for place, value in enumerate(values) if value != GAP), len(values))
            start = min(start, first)
            values[:first] = [0] * first
            if GAP in values:
                counts = [counted and value != GAP for counted, value in zip(counts, values, strict=True)]
            total = list(map(add, total, values))
        return list(compress(zip(self.minutes[start:], total[start:], strict=True), counts[start:]))


def _cell(value: int | None) -> Column:
    return array("H", [GAP if value is None else value])


def _gaps(length: int) -> Column:
    return array("H", [GAP]) * length
