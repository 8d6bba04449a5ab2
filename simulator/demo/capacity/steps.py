"""The lines of a plan, grouped so that what several of them have in common is written once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    type Words = list[str]


@dataclass(frozen=True, slots=True)
class Step:
    """One line, or several with the same reason: `before`, then one of the `variants` in each line, then `after`."""

    before: str
    variants: tuple[str, ...] = ()
    after: str = ""
    reason: str = ""


def grouped(lines: Iterable[str]) -> Iterator[Step]:
    """Group neighbouring lines of the form "what: why" that differ in one word of what."""
    group: list[Words] = []
    last = ""
    for what, _, why in (line.partition(": ") for line in dict.fromkeys(lines)):
        words = what.split(" ")
        if group and (why != last or not _differ_in_one_word([*group, words])):
            yield _step(group, last)
            group = []
        group.append(words)
        last = why
    if group:
        yield _step(group, last)


def _differ_in_one_word(group: Sequence[Words]) -> bool:
    if len({len(words) for words in group}) > 1:
        return False
    before, after = _shared(group)
    return before + 1 + after == len(group[0])


def _step(group: Sequence[Words], reason: str) -> Step:
    first = group[0]
    if len(group) == 1:
        return Step(" ".join(first), reason=reason)
    before, after = _shared(group)
    return Step(
        before=" ".join(first[:before]),
        variants=tuple(words[before] for words in group),
        after=" ".join(first[len(first) - after :]),
        reason=reason,
    )


def _shared(group: Sequence[Words]) -> tuple[int, int]:
    """How many words all lines share at their beginning, and how many at their end."""
    columns = [len(set(column)) == 1 for column in zip(*group, strict=True)]
    return columns.index(False), columns[::-1].index(False)
