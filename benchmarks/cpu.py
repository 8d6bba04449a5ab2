"""CPU of one cycle's own work on 1,000 subnets and 20,000 interfaces with two weeks of history."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from itertools import batched
from statistics import median
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import botocore.session
from botocore.parsers import create_parser

from benchmarks.survey import survey
from berthmaster.capacity.observe.occupancy import OccupancyCounter
from berthmaster.capacity.plan.demand import assess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from berthmaster.capacity.model.vpc import Subnet

ROUNDS = 3
PAGE = 1000
PARSER = create_parser("ec2")
SAMPLED = 100
"""The baseline is measured on so many of the subnets, and multiplied."""


@dataclass(frozen=True)
class Report:
    """Milliseconds for 1,000 subnets, by part of the work.

    ``warm`` is the work of every cycle; ``cold`` what a new container does before its first. ``baseline``: JSON there
    and back of the same samples, 4 million pairs of a minute and a number.
    """

    warm: Mapping[str, float]
    cold: Mapping[str, float]
    baseline: float

    @property
    def every_cycle(self) -> float:
        """The sum of what every cycle does."""
        return sum(self.warm.values())


@cache
def report() -> Report:
    """Measure the median of some rounds."""
    seen = survey()
    subnets = [subnet for snapshot in seen.snapshots for subnet in snapshot.subnets]
    answers = [_answer(page) for page in batched(seen.interfaces, PAGE, strict=False)]
    warm = seen.history()
    usage = warm.load(seen.at)
    sampled = [usage.addresses([subnet.id]) for subnet in subnets[:SAMPLED]]
    return Report(
        warm={
            "botocore parses 20 pages of interfaces": _cpu(lambda: [PARSER.parse(one, _shape()) for one in answers]),
            "counting the interfaces": _cpu(lambda: _count(subnets, seen.interfaces)),
            "history: newest hours, new sample": _cpu(lambda: warm.record(seen.at, seen.snapshots)),
            "forecasts": _cpu(lambda: [assess(snapshot, usage) for snapshot in seen.snapshots]),
        },
        cold={"history: two weeks": _cpu(lambda: seen.history().load(seen.at))},
        baseline=_cpu(lambda: [json.loads(json.dumps(one)) for one in sampled]) * len(subnets) / SAMPLED,
    )


def _cpu(work: Callable[[], object]) -> float:
    """Milliseconds."""
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return 1000 * median(taken)


def _count(subnets: Sequence[Subnet], interfaces: Iterable[Mapping[str, Any]]) -> object:
    counter = OccupancyCounter(subnets)
    counter.count(interfaces)
    return counter.occupancy()


@cache
def _shape() -> Any:
    model = botocore.session.Session().get_service_model("ec2")
    return model.operation_model("DescribeNetworkInterfaces").output_shape


def _answer(interfaces: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """EC2's answer as it comes over the wire."""
    body = f"<Response>{_xml(_shape(), {'NetworkInterfaces': interfaces})}</Response>"
    return {"status_code": HTTPStatus.OK, "headers": {}, "body": body.encode()}


def _xml(shape: Any, value: Any) -> str:
    if shape.type_name == "structure":
        members = ((name, member) for name, member in shape.members.items() if name in value)
        return "".join(
            _element(member.serialization.get("name", name), member, value[name]) for name, member in members
        )
    if shape.type_name == "list":
        return "".join(_element("item", shape.member, one) for one in value)
    return escape(str(value).lower() if isinstance(value, bool) else str(value))


def _element(name: str, shape: Any, value: Any) -> str:
    return f"<{name}>{_xml(shape, value)}</{name}>"


def printed(found: Report) -> Iterator[str]:
    """Milliseconds, and how often the baseline fits."""
    yield f"{'CPU for 1,000 subnets':42s}{'ms':>8s}{'ratio':>8s}"
    for name, taken in (
        *found.warm.items(),
        ("every cycle", found.every_cycle),
        *((f"new container, {name}", taken) for name, taken in found.cold.items()),
        ("baseline: JSON of the history and back", found.baseline),
    ):
        yield f"  {name:40s}{taken:8.0f}{taken / found.baseline:8.2f}"
