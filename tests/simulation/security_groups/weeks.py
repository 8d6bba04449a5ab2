"""Some days of the company, with all that is known of them afterwards."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from random import Random

from berthmaster.security_groups.model.evidence import Verdict
from berthmaster.security_groups.model.topology import Topology
from berthmaster.security_groups.observe.flow_files import Reading
from simulator.faults import FaultPlan
from tests.simulation.mutations import Mutation
from tests.simulation.security_groups.chronicle import Chronicle, polled
from tests.simulation.security_groups.company import BUCKET, DAY, HOUR, LOOKS, Company, a_company
from tests.simulation.security_groups.engine import Engine
from tests.simulation.security_groups.judging import Judge
from tests.simulation.security_groups.mutations import EngineMutation
from tests.simulation.security_groups.truth import Truth

SCALED = 2.0
"""Days that stand for two weeks: a month is a quarter of them, and the quarter's end comes after two and a half."""
SAMPLE = (0, 1, 2)
"""Seeds that are run every time."""
OUTAGES_ONE_IN = 3
READ_AGAIN = 200
"""Files that are read again by an engine that reads other things in them."""
SLOT = 300
HOLE = 5
"""Slots without records that are a hole, at an aggregation interval of ten minutes."""


@dataclass(frozen=True)
class Weeks:
    """What happened. files: by name. readings: what the engine reads in them. has_outage: for an hour or two."""

    seed: int
    files: Mapping[str, bytes]
    topology: Topology
    readings: list[Reading]
    judge: Judge
    has_outage: bool = False


def faults_of(random: Random, seed: int) -> FaultPlan:
    """What goes wrong with log files."""
    return FaultPlan(
        seed=seed,
        log_file_lost=random.choice((0.0, 0.01)),
        log_file_late=random.choice((0.0, 0.1)),
        log_file_doubled=random.choice((0.0, 0.1)),
        records_skipped=random.choice((0.0, 0.002)),
    )


@lru_cache(maxsize=1)
def weeks(seed: int, days: float) -> Weeks:
    """Let the company live for some days."""
    random = Random(f"{seed}:weeks")  # noqa: S311 - reproducible on purpose
    faults = faults_of(random, seed)
    has_outage = seed % OUTAGES_ONE_IN == OUTAGES_ONE_IN - 1
    with a_company(seed, faults, days=days) as company:
        truth, chronicle = Truth(company), Chronicle(company.cloud)
        company.begin()
        if has_outage:
            _lose_the_end_of_the_quarter(company, random)
        company.run(days * DAY)
        company.cloud.faults.clear()
        company.run(company.logs.longest_late + HOUR)
        truth.settle()
        topology, files = chronicle.topology(), dict(files_of(company))
        return Weeks(
            seed=seed,
            files=files,
            topology=topology,
            readings=Engine().read(files, topology),
            judge=Judge(truth, (company.begun, company.end), tuple(holes(company))),
            has_outage=has_outage,
        )


def wrong(seed: int, mutation: Mutation | None = None, days: float = SCALED) -> list[str]:
    """What the engine has got wrong about these days, in sentences."""
    lived = weeks(seed, days)
    engine = mutation.engine if isinstance(mutation, EngineMutation) else Engine()
    known = engine.topology(lived.topology)
    readings = lived.readings
    if engine.content is not Engine.content:
        first = dict(sorted(lived.files.items())[:READ_AGAIN])
        readings = [*readings, *engine.read(first, lived.topology)]
    found = [*lived.judge.wrong(engine.verdicts(readings, known))]
    if mutation is None:
        of_looks = engine.verdicts(readings, polled(known, LOOKS))
        found += [f"with a look now and then: {one}" for one in lived.judge.wrong(of_looks)]
    return found


@dataclass(frozen=True)
class Recall:
    """What is said of the rules that were idle all the time. has_outage: of the flow log."""

    verdicts: Counter[Verdict]
    has_outage: bool

    @property
    def share(self) -> float:
        """How many of them are called unused."""
        return self.verdicts[Verdict.UNUSED] / max(1, self.verdicts.total())

    def __str__(self) -> str:
        return ", ".join(f"{count} are called {verdict}" for verdict, count in self.verdicts.most_common())


def recall(seed: int, days: float = SCALED) -> Recall:
    """How many of the rules that nobody used are called unused."""
    lived = weeks(seed, days)
    return recalled(lived, Engine().verdicts(lived.readings, lived.topology))


def recalled(lived: Weeks, verdicts: Mapping[str, Verdict]) -> Recall:
    """The same of verdicts that somebody has come to."""
    return Recall(Counter(verdicts[rule] for rule in lived.judge.idle(lived.topology)), lived.has_outage)


def _lose_the_end_of_the_quarter(company: Company, random: Random) -> None:
    """The log delivers nothing just when the audit runs, which happens once."""
    at = company.begun + 2.5 * company.days * DAY / 4 - 0.5 * HOUR
    seconds = random.uniform(2, 3) * HOUR
    company.cloud.clock.at(at, lambda: company.logs.begin_outage(company.log_id, seconds))


def files_of(company: Company) -> Iterator[tuple[str, bytes]]:
    s3 = company.cloud.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for item in page["Contents"]:
            body = s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
            yield item["Key"].rpartition("/")[2], body


def holes(company: Company) -> Iterator[tuple[float, float]]:
    """Where so many slots in a row were never delivered."""
    slots = sorted({one.slot for one in company.logs.missing})
    first = previous = -HOLE
    for before, slot in pairwise([-HOLE, *slots, max(slots, default=0) + HOLE]):
        if slot != before + 1:
            if previous - first + 1 >= HOLE:
                yield first * float(SLOT), (previous + 1) * float(SLOT)
            first = slot
        previous = slot
