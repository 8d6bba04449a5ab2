"""EventBridge Scheduler, where moto differs: what an update leaves out goes back to its default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.cloud import Cloud, Mends

type Params = Mapping[str, Any]


def default_state(cloud: Cloud, params: Params, _: dict[str, Any]) -> None:
    """UpdateSchedule without a State enables the schedule; moto leaves it without any."""
    schedule = cloud.backend("scheduler").get_schedule(params.get("GroupName"), params["Name"])
    schedule.state = schedule.state or "ENABLED"


MENDS: Mends = {"scheduler:UpdateSchedule": default_state}
