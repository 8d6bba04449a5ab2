"""Pages of the tasks of all clusters and families in which this stack may launch any, over as many runs as it takes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Literal

from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.model.task_laps import TaskLap
from berthmaster.batch.observe.tasks import TaskReads
from berthmaster.clock import Clock
from berthmaster.expiring import Expiring

PLACES_KEPT = timedelta(minutes=5)


class TaskPages:
    """Lists tasks of one desired status."""

    def __init__(self, pipelines: Pipelines, clock: Clock, desired_status: Literal["RUNNING", "STOPPED"]) -> None:
        self._pipelines = pipelines
        self._clock = clock
        self._desired_status = desired_status
        self._places: Expiring[list[str]] = Expiring()

    def after[Lap: TaskLap](self, lap: Lap, reads: TaskReads) -> Iterator[tuple[Lap, Sequence[str]]]:
        """Page after page, as ARNs, with what the lap is after each; a lap that is over has no place."""
        places = self._clusters_and_families()
        begin = next((number for number, place in enumerate(places) if place >= lap.place), len(places))
        token = lap.token if places[begin : begin + 1] == [lap.place] else ""
        for place, following in zip(places[begin:], [*places[begin + 1 :], ""], strict=False):
            cluster, family = place.split()
            while True:
                page = reads.page(cluster, family, token, self._desired_status)
                if page is None:
                    return
                arns, token = page
                lap = replace(lap, place=place if token else following, token=token, pages=lap.pages + 1)
                yield lap, arns
                if not token:
                    break
        yield replace(lap, place="", token=""), ()

    def _clusters_and_families(self) -> list[str]:
        """Where a task of this stack may run, also one of a pipeline as it was before."""
        now = self._clock.now()
        return self._places.get("all", now) or self._places.put(
            "all",
            sorted({f"{one.run.cluster} {one.run.family}" for one in self._pipelines.versions()}),
            now,
            PLACES_KEPT,
        )
