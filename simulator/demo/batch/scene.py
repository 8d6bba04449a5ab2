"""The batch scene: an afternoon on which an office scans letters, and a container reads them on Fargate Spot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from simulator.aws.ecs.fargate import FARGATE_SPOT, NOT_FOUND, Fargate
from simulator.demo.batch.outcome import Phase
from simulator.demo.phases import Scene
from simulator.demo.wording import MINUTE
from simulator.faults import FaultPlan
from simulator.workload.scans import FAMILY, Scans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator.cloud import Cloud

MONDAY_AFTERNOON = datetime(2026, 3, 2, 12, 50, tzinfo=UTC)
LAST_FILE = 100
WORK = 10.0
"""Seconds that a task works on a file."""
TASKS, GOAL = 400, 20
"""How many may run at a time; minutes within which workers are to be done with a file."""
UNTIL_RECLAIM = 28
"""Seconds from the second burst until Spot takes its tasks back."""
SHARE_INTERRUPTED = 2
"""Spot takes one task in so many."""
BROKEN_MINUTES, TROUBLE_MINUTES = 10, 20
TROUBLE = FaultPlan(event_lost=0.1, event_duplicated=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Afternoon(Scene):
    """What happens whichever way it is run; the same seed writes the same files at the same time.

    `bursts`: files that come at once. `a_minute`: those that come besides, on average. `pace`: how many times as fast
    one event follows the other.
    """

    start: datetime = MONDAY_AFTERNOON
    minutes: int = 150
    bursts: tuple[int, int] = (600, 300)
    a_minute: int = 5
    pace: int = 1

    def until(self, minute: float) -> float:
        """Seconds from the first file until a minute of the story."""
        return minute * MINUTE / self.pace


class Stage:
    """The scene in a simulated cloud; `phases`: those that have begun."""

    def __init__(self, cloud: Cloud, scene: Afternoon) -> None:
        self.scans = Scans.create(cloud, seconds=WORK)
        self.phases: list[Phase] = []
        self.waiting: list[int] = []
        self._cloud = cloud
        self._scene = scene
        self._files = 0
        rng = Random(f"{scene.seed}:afternoon")
        at = scene.begins
        while (at := at + rng.expovariate(scene.a_minute / MINUTE)) < scene.begins + scene.until(LAST_FILE):
            cloud.clock.at(at, self._put)
        for minute, text, happens in self._story():
            cloud.clock.at(scene.begins + scene.until(minute), self._phase(text, happens))
        for minute in range(scene.minutes):
            cloud.clock.at(scene.begins + minute * MINUTE, self._count)

    def judged(self) -> Iterator[Phase]:
        """The phases, each with what became of its files."""
        scans = self.scans
        for number, phase in enumerate(self.phases):
            until = self.phases[number + 1].at if number + 1 < len(self.phases) else float("inf")
            keys = [key for key, at in scans.put_at.items() if phase.at <= at < until]
            yield Phase(
                phase.at,
                phase.text,
                files=len(keys),
                lost=sum(not scans.ended[key] for key in keys),
                doubled=sum(scans.ended[key] > 1 for key in keys),
            )

    def _put(self) -> None:
        self._files += 1
        self.scans.put(f"scans/{self._files:05}.tif")

    def _count(self) -> None:
        self.waiting.append(self.scans.lost)

    def _phase(self, text: str, happens: Callable[[], None]) -> Callable[[], None]:
        def begin() -> None:
            self.phases.append(Phase(self._cloud.clock.timestamp(), text))
            happens()

        return begin

    def _story(self) -> Iterator[tuple[int, str, Callable[[], None]]]:
        yield 0, f"letters are scanned one by one, {self._scene.a_minute} a minute", lambda: None
        pace, (first, second) = self._scene.pace, self._scene.bursts
        yield 10, f"the archive delivers {first} scans at once", lambda: self._burst(first)
        yield (
            25,
            f"{second} more at once; while they run, Spot takes every second task back",
            lambda: self._reclaimed_burst(second),
        )
        yield (
            45,
            f"an image that is not in the registry is deployed, and mended after {BROKEN_MINUTES // pace} minutes",
            self._break,
        )
        yield (
            70,
            f"for {TROUBLE_MINUTES // pace} minutes EventBridge loses every tenth event and delivers every tenth twice",
            self._trouble,
        )
        yield LAST_FILE, "the office closes", lambda: None

    def _burst(self, files: int) -> None:
        for _ in range(files):
            self._put()

    def _reclaimed_burst(self, files: int) -> None:
        self._burst(files)
        self._cloud.clock.after(UNTIL_RECLAIM, self._interrupt)

    def _interrupt(self) -> None:
        running = [task for task in self._cloud.tasks.alive() if task.is_running]
        for task in running[::SHARE_INTERRUPTED]:
            self._cloud.tasks.interrupt(task)

    def _break(self) -> None:
        image = f"example/{FAMILY}:2"
        self._cloud.state(Fargate).broken_images[image] = NOT_FOUND
        self.scans.define(FAMILY, image=image)
        mended = partial(self.scans.define, FAMILY, image=f"example/{FAMILY}:3")
        self._cloud.clock.after(self._scene.until(BROKEN_MINUTES), mended)

    def _trouble(self) -> None:
        faults = self._cloud.faults
        faults.plan = TROUBLE
        self._cloud.clock.after(self._scene.until(TROUBLE_MINUTES), faults.clear)


PROVIDER = FARGATE_SPOT
