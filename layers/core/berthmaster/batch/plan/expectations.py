"""What a file to come takes of a task, and what a task takes besides, by what was measured."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from berthmaster.batch.model.measures import Measures, TaskSums
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.plan.measures import longest_of, middle_of, size_class
from berthmaster.batch.plan.prices import LEAST_SECONDS

SECONDS, LATENCY, UNUSED = 10.0, 60.0, 40.0
"""Assumed while nothing was measured: of a file, of a start, and of what is billed besides the work."""
LEAST_FILES = 5
"""Fewer say nothing."""
HOPELESS = 3
"""So many tasks of a size that have stopped, and not even as few files: it is too small for them."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """Of a pipeline's files in tasks of one size.

    seconds: of a file, on average; longest: at most, as far as is known. is_measured: whether that was measured.
    spans: weights by seconds: how the files differ. latency: seconds from a request until its task works. unused:
    seconds of a task that are billed besides the work.
    """

    seconds: float
    longest: float
    is_measured: bool
    spans: Mapping[float, float]
    latency: float = LATENCY
    unused: float = UNUSED

    @cached_property
    def residual(self) -> float:
        """Seconds that a file still takes which is being worked on, on average: one meets the long ones more often."""
        return self._mean(lambda one: one * one) / (2 * self._mean(lambda one: one))

    @cached_property
    def alone(self) -> float:
        """Seconds that are billed for a file in a task of its own, on average."""
        return self._mean(lambda one: max(LEAST_SECONDS, one + self.unused))

    def longest_among(self, files: int) -> float:
        """Seconds of the longest of so many files, as is to be expected."""
        rarer = 0.0
        for seconds, share in self._shares:
            rarer += share
            if rarer * files >= 1 / 2:
                return seconds
        return self.seconds

    @cached_property
    def _shares(self) -> Sequence[tuple[float, float]]:
        """Seconds, the longest first, and how many of all files take about that."""
        total = sum(self.spans.values())
        return [(seconds, self.spans[seconds] / total) for seconds in sorted(self.spans, reverse=True)]

    def _mean(self, value: Callable[[float], float]) -> float:
        return sum(weight * value(one) for one, weight in self.spans.items()) / sum(self.spans.values())


def expected(measures: Measures, size: Size, sample: Iterable[int], *, at_least: float = SECONDS) -> Expectation:
    """What files take in tasks of a size. sample: bytes of some of them; without any, they are as those before.

    at_least: seconds of a file while too few were measured.
    """
    known = {number: sums for (of, number), sums in measures.files.items() if of == size and sums.count}
    starts = _starts(measures, size)
    latency = starts.latency / starts.count if starts.count else LATENCY
    unused = starts.unused / starts.count if starts.count else UNUSED
    if files_measured(measures, size) < LEAST_FILES:
        return Expectation(
            seconds=at_least,
            longest=at_least,
            is_measured=False,
            spans={at_least: 1.0},
            latency=latency,
            unused=unused,
        )
    kinds: Mapping[int, float] = Counter(map(size_class, sample)) or {one: sums.count for one, sums in known.items()}
    spans: defaultdict[float, float] = defaultdict(float)
    total = longest = 0.0
    for kind, weight in kinds.items():
        nearest = min(known, key=lambda one: (abs(one - kind), one))
        sums, factor = known[nearest], float(4 ** max(0, kind - nearest))
        total += weight * factor * sums.seconds / sums.count
        longest = max(longest, factor * longest_of(max(sums.spans)))
        scale = factor * sums.seconds / sum(count * middle_of(one) for one, count in sums.spans.items())
        for one, count in sums.spans.items():
            spans[scale * middle_of(one)] += weight * count / sums.count
    return Expectation(
        seconds=total / sum(kinds.values()),
        longest=longest,
        is_measured=True,
        spans=spans,
        latency=latency,
        unused=unused,
    )


def is_hopeless(measures: Measures, size: Size) -> bool:
    """Whether tasks of that size have stopped and nothing has come of them."""
    stopped = measures.tasks.get(size, TaskSums()).stopped
    return stopped >= HOPELESS and files_measured(measures, size) < LEAST_FILES


def _starts(measures: Measures, size: Size) -> TaskSums:
    """Of tasks of that size; of any size if none of it has run yet."""
    own = measures.tasks.get(size, TaskSums())
    if own.count:
        return own
    every = measures.tasks.values()
    return TaskSums(
        count=sum(one.count for one in every),
        latency=sum(one.latency for one in every),
        unused=sum(one.unused for one in every),
    )


def files_measured(measures: Measures, size: Size) -> float:
    """How many files were processed in tasks of that size, as far as they still count."""
    return sum((sums.count for (of, _), sums in measures.files.items() if of == size), start=0.0)
