"""The same scene in mode approve, until Berthmaster asks for an approval by mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.cloud import Cloud
from simulator.demo.bill import REGION
from simulator.demo.capacity.outcome import Mail
from simulator.demo.capacity.scene import build
from simulator.demo.capacity.simulation import UNSCHEDULED
from simulator.stack.deployment import Deployment

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.demo.capacity.scene import Scene

MINUTE = 60.0
PARAMETERS = {"CapacityMode": "approve"}
"""All others as template.yaml has them."""


def first_request(scene: Scene, _emit: Callable[[Any], None]) -> Mail | None:
    """The first mail that asks for an approval, as published to SNS; None if there was none. Emits nothing."""
    with Cloud(seed=scene.seed, start=scene.start, region=REGION) as cloud:
        build(cloud, scene)
        berthmaster = Deployment(cloud, parameters=PARAMETERS, unscheduled=UNSCHEDULED)
        start = cloud.clock.timestamp()
        for minute in range(1, scene.minutes + 1):
            cloud.clock.run_until(start + minute * MINUTE)
            if mail := _request(berthmaster):
                return mail
    return None


def _request(berthmaster: Deployment) -> Mail | None:
    if not berthmaster.published:
        return None
    proposed = [
        seen.event["detail"]["expansion"]
        for seen in berthmaster.bus_events
        if seen.event["detail-type"] == "Expansion Proposed"
    ]
    mails = (one for one in berthmaster.published if any(expansion in one.message for expansion in proposed))
    return next((Mail(one.at, one.topic, one.subject, one.message) for one in mails), None)
