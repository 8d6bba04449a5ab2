"""EventBridge Scheduler, where moto differs: what an update leaves out goes back to its default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.account import Account, Params, Patches


def default_state(account: Account, params: Params, _: dict[str, Any]) -> None:
    """UpdateSchedule without a State enables the schedule; moto leaves it without any."""
    schedule = account.backend("scheduler").get_schedule(params.get("GroupName"), params["Name"])
    schedule.state = schedule.state or "ENABLED"


PATCHES: Patches = {"scheduler:UpdateSchedule": default_state}
