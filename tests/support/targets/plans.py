"""Plans for events, and what the ledger knows before them."""

from typing import Any

from berthmaster.targets.model import Call, Claim, ClaimState, Destination, Plan, Task
from tests.support.targets.builders import a_claim, a_fence, an_address_holder


def moved(plan: Plan) -> list[tuple[str, ClaimState, Call | None]]:
    """Owner, state and call of each move."""
    return [(move.after.owner, move.after.state, move.call) for move in plan.moves]


def known(task: Task, *held: Claim, **fence: Any) -> dict[str, Any]:
    """What the ledger knows of a task with these claims."""
    return {"claims": held, "fences": [a_fence(task, *held, **fence)], "address_holders": [an_address_holder(task)]}


def registered(task: Task, *destinations: Destination) -> dict[str, Any]:
    return known(task, *(a_claim(task, one) for one in destinations))
