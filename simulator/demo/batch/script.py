"""How the batch scene is shown and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demo.batch.simulation import WAYS, simulate
from simulator.demo.phases import Script
from simulator.demo.wording import count, dollars

if TYPE_CHECKING:
    from simulator.demo.batch.outcome import Run
    from simulator.demo.batch.scene import Afternoon

SCRIPT: Script[Afternoon, Run] = Script(
    name="batch",
    introduction="Scans of letters come to a bucket; containers on Fargate Spot read them.",
    ways=WAYS,
    simulate=simulate,
    lines=(
        ("files", lambda run: count(run.files)),
        ("… lost: no result in the end", lambda run: count(run.lost)),
        ("… worked on twice", lambda run: count(run.doubled)),
        ("from the file to its result, median", lambda run: f"{count(run.median_wait)} min"),
        ("… longest", lambda run: f"{count(run.longest_wait)} min"),
        ("tasks started", lambda run: count(run.tasks)),
        ("Fargate", lambda run: dollars(run.fargate)),
        ("what launches the tasks", lambda run: dollars(run.rest)),
        ("failed Lambda invocations", lambda run: count(run.errors)),
    ),
)
