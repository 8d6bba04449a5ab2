"""A seed repeats its random day in another process: nothing depends on the order in which Python iterates over sets."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import pytest

from simulator.cloud import Cloud
from tests.simulation.batch.busy_day import busy_day as busy_day_of_batch
from tests.simulation.capacity.day import bad_day
from tests.simulation.mutations import Day, Mutation
from tests.simulation.targets.busy_day import busy_day

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
DAYS: dict[str, Day] = {"capacity": bad_day, "targets": busy_day, "batch": busy_day_of_batch}
SEEDS = {"capacity": 0, "targets": 0, "batch": 2}


@dataclass(frozen=True)
class Unchanged(Mutation):
    """Takes nothing away; clouds: of the days that it was applied to."""

    clouds: list[Cloud] = field(default_factory=list)

    def apply(self, cloud: Cloud) -> None:
        self.clouds.append(cloud)


ADDRESS = re.compile(" at 0x[0-9a-f]+")


def course_of(automation: str, seed: int) -> list[str]:
    """All calls of a day, with their parameters, times and outcomes, and all events."""
    unchanged = Unchanged("unchanged", {}, "", seed)
    DAYS[automation](seed, unchanged)
    [cloud] = unchanged.clouds
    # A body that is read from a file is shown with its address in memory.
    calls = [ADDRESS.sub("", f"{call.at} {call} {call.attempts} {call.params}") for call in cloud.calls]
    return [*calls, *(str(seen.event) for seen in cloud.buses.seen)]


def courses_elsewhere(hash_seed: str) -> list[str]:
    """The same of all automations, in another process: one for all, since to start one takes seconds."""
    paths = os.pathsep.join(str(ROOT / path) for path in ("layers/core", "worker"))
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": paths}
    imported = "from tests.simulation.test_same_seed import *"
    code = f"{imported}\nfor day in SEEDS.items(): print(*day, *course_of(*day), sep='\\n')"
    done = subprocess.run(  # noqa: S603 - this test's own code
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout.splitlines()


def test_the_order_of_sets_changes_nothing() -> None:
    one, other = map(courses_elsewhere, ("1", "2"))
    assert len(one) > 3000
    for here, there in zip_longest(one, other):
        assert here == there
