"""Files to launched tasks: how soon, at what price, and what happens to files when AWS and processes fail."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil
from random import Random
from typing import TYPE_CHECKING

from benchmarks import batch_compared
from benchmarks.batch_account import an_account
from benchmarks.batch_usage import Meter, Usage, observed
from benchmarks.bill import dollars
from simulator.cloud import Cloud
from simulator.demo.bill import PRICES_OF

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.batch_compared import Compared
    from simulator.workload.scans import Scans

BURST, BURST_AIM, BURST_IDEAL = 500, 25.0, 20.0
SINGLES, SINGLE_AIM = 100, 5.0
"""Files that come one by one, and seconds until RunTask, for 99 of a hundred."""
APART = (20.0, 60.0)
"""Seconds between two of them."""
DOLLARS_AIM, WRITES_AIM = 10, 7
MAP = (50, 100)
"""Dollars that a distributed map of Step Functions costs for a million files: at least two state transitions each, and
more with retries and a callback, at $25 for a million."""


@dataclass(frozen=True)
class Burst:
    """So many files at once: seconds until each call of RunTask that was accepted; calls that were throttled."""

    files: int
    launched: Sequence[float]
    throttled: int
    usage: Usage


@dataclass(frozen=True)
class Singles:
    """Files one by one: seconds from the file to RunTask."""

    waits: Sequence[float]
    usage: Usage

    def percentile(self, share: float) -> float:
        """Seconds in which so many of them were launched."""
        return sorted(self.waits)[ceil(share * len(self.waits)) - 1]


@dataclass(frozen=True)
class Report:
    """latency: of the simulated AWS. compared: what users pick instead, and Berthmaster, by name."""

    burst: Burst
    singles: Singles
    latency: str
    compared: Mapping[str, Compared]


@cache
def report() -> Report:
    """Measure."""
    with Cloud() as cloud:
        latency = str(cloud.latency)
    return Report(a_burst(BURST), some_singles(SINGLES), latency, batch_compared.report())


def a_burst(files: int) -> Burst:
    """Put so many files at once, and wait until all have their results."""
    with an_account() as account, observed() as seen:
        berthmaster, scans = account.berthmaster, account.scans
        meter, before, began = Meter(berthmaster), len(account.launches()), scans.cloud.clock.timestamp()
        for number in range(files):
            scans.put(f"scans/{number}.tif")
        berthmaster.run(minutes=files / 20 / 60 + 4)
        calls = account.launches()[before:]
        _check(scans)
        return Burst(
            files=files,
            launched=sorted(at - began for _, at, outcome in calls if outcome == "ok"),
            throttled=sum(outcome == "ThrottlingException" for _, _, outcome in calls),
            usage=meter.read(seen, files),
        )


def some_singles(files: int) -> Singles:
    """Put one file after another, some time apart."""
    random = Random(1)
    with an_account() as account, observed() as seen:
        berthmaster, scans = account.berthmaster, account.scans
        meter, before = Meter(berthmaster), len(account.launches())
        for number in range(files):
            scans.put(f"scans/{number}.tif")
            berthmaster.run(minutes=random.uniform(*APART) / 60)
        berthmaster.run(minutes=4)
        _check(scans)
        waits = [at - scans.put_at[key] for key, at, outcome in account.launches()[before:] if outcome == "ok"]
        return Singles(waits, meter.read(seen, files))


def _check(scans: Scans) -> None:
    if scans.lost or scans.doubled:
        raise AssertionError(f"{scans.lost} files are lost and {scans.doubled} doubled where nothing fails")


def printed(found: Report) -> Iterator[str]:
    """How soon, then the price."""
    burst, singles = found.burst, found.singles
    yield f"virtual seconds ({found.latency}; without the functions' own CPU)"
    yield f"{burst.files:,} files at once, seconds until so many are launched (RunTask: 20 at once, and 20 a second):"
    for count in (1, burst.files // 2, burst.files):
        remark = f"  (aim: {BURST_AIM:g}, ideal: {BURST_IDEAL:g})" if count == BURST else ""
        yield f"  {count:6,d}{burst.launched[count - 1]:10.1f}{remark}"
    yield f"  calls throttled: {burst.throttled}"
    yield f"{len(singles.waits)} files, {APART[0]:g} to {APART[1]:g} s apart: seconds from the file to RunTask"
    yield f"  p50 {singles.percentile(0.5):.1f}, p99 {singles.percentile(0.99):.1f} (aim: {SINGLE_AIM:g})"
    yield from batch_compared.printed(found.compared)
    yield f"prices: {PRICES_OF}"
    for what, usage in (("at once", burst.usage), ("one by one", singles.usage)):
        yield from priced(what, usage, aims=(DOLLARS_AIM, WRITES_AIM))
    yield f"Step Functions, a distributed map, computed: ${MAP[0]} to ${MAP[1]} for a million"


def priced(what: str, usage: Usage, *, aims: tuple[int, int]) -> Iterator[str]:
    """A million files by these, line by line. aims: dollars, and writes to the ledger for each file."""
    files, (most_dollars, most_writes) = usage.files, aims
    yield f"a million files, computed from {files:,} that came {what}:"
    for line in sorted(usage.bill.lines, key=lambda line: -line.dollars):
        yield f"  {line.what:36s}{line.quantity:>16,.1f}{dollars(line.dollars)}"
    yield f"  {f'all but S3 (aim: ${most_dollars})':52s}{dollars(usage.bill.dollars)}"
    yield f"  {'S3: LIST, manifest, copies':52s}{dollars(usage.s3_dollars)}"
    units = f"{usage.write_units / files:.2f} write units"
    yield f"  writes to the ledger, a file (aim: {most_writes}): {usage.writes / files:.2f}; {units}"
    yield f"  CPU, 1,000 files: {1000 * usage.cpu / files:.1f} s"
    each = ", ".join(f"{name.split(':')[1]} {count / files:.2f}" for name, count in usage.calls.most_common(8))
    yield f"  calls, a file: {each}"
