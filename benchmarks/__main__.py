"""The figures that the README quotes.

    python -m benchmarks                          all of them
    python -m benchmarks cycle bill               some of them
    python -m benchmarks targets reconcile        those of targets
    python -m benchmarks batch packing            those of batch
    python -m benchmarks forecast --traces DIR    the forecast on traces of one's own

Counts, sizes and virtual times are the same on every machine. CPU times are not: read the ratios beside them.
"""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import (
    backfill,
    batch,
    bill,
    cpu,
    cycle,
    durations,
    expansion,
    flow_records,
    forecast,
    imports,
    package,
    packing,
    pods,
    reconciliation,
    redundancy,
    restores,
    rooms,
    sweep,
    targets_bill,
    task_events,
    topology,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COMMAND = "PYTHONPATH=layers/core:worker:. .venv/bin/python -m benchmarks"


@dataclass(frozen=True)
class Benchmark[Report]:
    """A question, how its answer is measured, and how it is printed."""

    name: str
    question: str
    measure: Callable[[], Report]
    printed: Callable[[Report], Iterator[str]]

    @property
    def rerun(self) -> str:
        """The command that asks this question alone."""
        return f"{COMMAND} {self.name}"

    def run(self) -> Iterator[str]:
        """Measure, and print line by line."""
        yield f"── {self.name}: {self.question}"
        yield from self.printed(self.measure())
        yield f"again: {self.rerun}"


def benchmarks(traces: Path | None = None) -> tuple[Benchmark[Any], ...]:
    """All of them, in the order in which they are printed."""
    return (
        Benchmark(
            "forecast",
            "is room asked for in time, and not in vain?",
            partial(forecast.report, traces),
            forecast.printed,
        ),
        Benchmark("cycle", "which AWS calls does a cycle of the watch make?", cycle.report, cycle.printed),
        Benchmark("cpu", "how much CPU does a cycle take?", cpu.report, cpu.printed),
        Benchmark(
            "expansion",
            "which calls does an expansion make, and how long does it take?",
            expansion.report,
            expansion.printed,
        ),
        Benchmark(
            "rooms",
            "how soon is there a new subnet, in small and in large accounts?",
            rooms.report,
            rooms.printed,
        ),
        Benchmark(
            "targets",
            "how many calls do task events lead to, and how soon?",
            task_events.report,
            task_events.printed,
        ),
        Benchmark(
            "reconcile",
            "which calls does a run over all targets make, and how much CPU?",
            reconciliation.report,
            reconciliation.printed,
        ),
        Benchmark("pods", "how soon are pods followed, and what does that cost?", pods.report, pods.printed),
        Benchmark(
            "batch",
            "how soon are files launched, and what does a million of them cost?",
            batch.report,
            batch.printed,
        ),
        Benchmark(
            "backfill",
            "what do a million objects cost that were there before, besides Fargate?",
            backfill.report,
            backfill.printed,
        ),
        Benchmark(
            "packing",
            "what do files cost on Fargate that workers take, and is the goal kept?",
            packing.report,
            packing.printed,
        ),
        Benchmark(
            "topology",
            "what does it take to know who had which address, group and rule?",
            topology.report,
            topology.printed,
        ),
        Benchmark(
            "redundancy",
            "how long does it take to find the rules that others cover?",
            redundancy.report,
            redundancy.printed,
        ),
        Benchmark(
            "flow-logs",
            "how fast do flow-log records become credits of rules, and what does a billion of them cost?",
            flow_records.report,
            flow_records.printed,
        ),
        Benchmark(
            "restores",
            "how soon is a rule back that was removed and is needed?",
            restores.report,
            restores.printed,
        ),
        Benchmark(
            "sweep",
            "how many unused rules go, and what does that break, beside a sweep with Revoke?",
            sweep.report,
            sweep.printed,
        ),
        Benchmark(
            "durations",
            "how long does each function take, and how long may it?",
            durations.report,
            durations.printed,
        ),
        Benchmark("imports", "what does a cold start cost?", imports.report, imports.printed),
        Benchmark("package", "how large is what ships?", package.report, package.printed),
        Benchmark("bill", "what does capacity cost a month?", bill.report, bill.printed),
        Benchmark("targets-bill", "what does targets cost a month?", targets_bill.report, targets_bill.printed),
    )


def main() -> None:
    """Run those that are named, or all."""
    parser = ArgumentParser(prog="python -m benchmarks", description="The figures that the README quotes.")
    names = [one.name for one in benchmarks()]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(names)}; all unless given")
    parser.add_argument("--traces", type=Path, metavar="DIR", help="*.csv.gz with the columns minute,used")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(names):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    if asked.traces and not any(asked.traces.glob("*.csv.gz")):
        parser.error(f"argument --traces: {asked.traces} holds no *.csv.gz")
    for one in benchmarks(asked.traces):
        if one.name in (asked.names or names):
            for line in one.run():
                print(line, flush=True)
            print()


if __name__ == "__main__":
    main()
