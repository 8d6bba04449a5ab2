"""One update of a service: what became of it, and when the next one may be made."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from berthmaster.capacity.model.plan import Plan, ServiceWiring
from berthmaster.capacity.model.updates import ServiceUpdate, UpdateState
from berthmaster.capacity.model.workloads import Service
from berthmaster.capacity.plan.deployments import DeploymentState, Judgement
from berthmaster.capacity.plan.updates import Held, Rollout, Seen, due, held_back, judged, reserved

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
ADDED = "subnet-b"
FREE = Held(until_asked={}, for_now=frozenset())


def an_update(state: UpdateState, *, hours_ago: float | None = 0.1, **changes: Any) -> ServiceUpdate:
    called_at = None if hours_ago is None else NOW - timedelta(hours=hours_ago)
    values: dict[str, Any] = {
        "cluster": "web",
        "service": "shop",
        "subnet_ids": (ADDED,),
        "called_at": called_at,
        "deployment": "ours",
        "deployment_before": "before",
    }
    return ServiceUpdate(state=state, **{**values, **changes})


def seen(*rollouts: Rollout, lists: Sequence[str] = ("subnet-a", ADDED), judgement: Judgement | None = None) -> Seen:
    deploying = any(one.state == "IN_PROGRESS" for one in rollouts)
    service = Service(
        cluster="web", name="shop", subnet_ids=tuple(lists), desired=3, running=3, deploying=deploying, managed=True
    )
    return Seen(service=service, rollouts=rollouts, judgement=judgement)


DEPLOYS = Rollout(id="ours", state="IN_PROGRESS")
DEPLOYED = Rollout(id="ours", state="COMPLETED")
FAILED = Rollout(id="ours", state="FAILED", reason="tasks failed to start")
ROLLS_BACK = Rollout(id="next", state="IN_PROGRESS", reason="rolling back to deploymentId next")
OTHERS = Rollout(id="theirs", state="IN_PROGRESS")
BEFORE = Rollout(id="before", state="COMPLETED")
OLD = ["subnet-a"]


@pytest.mark.parametrize(
    ("before", "now", "after"),
    [
        (an_update(UpdateState.DEPLOYING), seen(DEPLOYS), UpdateState.DEPLOYING),
        (an_update(UpdateState.DEPLOYING), seen(DEPLOYED), UpdateState.WIRED),
        (an_update(UpdateState.DEPLOYING), seen(FAILED), UpdateState.FAILED),
        (an_update(UpdateState.DEPLOYING, hours_ago=1.1), seen(DEPLOYS), UpdateState.ENDLESS),
        (an_update(UpdateState.DEPLOYING), seen(ROLLS_BACK, FAILED, lists=OLD), UpdateState.ROLLED_BACK),
        (an_update(UpdateState.DEPLOYING), seen(ROLLS_BACK, lists=OLD), UpdateState.ROLLED_BACK),
        (an_update(UpdateState.DEPLOYING), seen(OTHERS, DEPLOYS, lists=OLD), UpdateState.RESET),
        (an_update(UpdateState.DEPLOYING), seen(OTHERS, lists=OLD), UpdateState.UNKNOWN),
        (an_update(UpdateState.DEPLOYING), None, UpdateState.GONE),
        (an_update(UpdateState.CALLED), seen(DEPLOYS), UpdateState.DEPLOYING),
        (an_update(UpdateState.CALLED), seen(BEFORE, lists=OLD), UpdateState.PENDING),
        (an_update(UpdateState.CALLED), seen(OTHERS, lists=OLD), UpdateState.UNKNOWN),
        (an_update(UpdateState.CALLED, hours_ago=0.01), seen(BEFORE, lists=OLD), UpdateState.CALLED),
        (an_update(UpdateState.PENDING, hours_ago=None), seen(BEFORE, lists=OLD), UpdateState.PENDING),
        (an_update(UpdateState.PENDING, hours_ago=None), seen(BEFORE), UpdateState.WIRED),
    ],
)
def test_what_became_of_an_update(before: ServiceUpdate, now: Seen | None, after: UpdateState) -> None:
    assert judged(before, now, NOW, LONG_AGO).state is after


def test_a_deployment_that_is_in_the_way_is_waited_for_an_hour() -> None:
    judgement = Judgement(state=DeploymentState.IN_PROGRESS, reason="a deployment is in progress")
    busy = seen(OTHERS, lists=OLD, judgement=judgement)
    update = judged(an_update(UpdateState.PENDING, hours_ago=None), busy, NOW, LONG_AGO)
    assert (update.state, update.since) == (UpdateState.PENDING, NOW)
    assert judged(update, busy, NOW + timedelta(minutes=59), LONG_AGO).state is UpdateState.PENDING
    left = judged(update, busy, NOW + timedelta(minutes=60), LONG_AGO)
    assert (left.state, left.deployment, left.reason) == (UpdateState.LEFT_OUT, "theirs", judgement.reason)


def held(*updates: ServiceUpdate, missing: str = ADDED, unended: str = "") -> Held:
    wiring = ServiceWiring(cluster="web", service="shop", add_ids=(missing,), reason="")
    service = Service(cluster="web", name="shop", subnet_ids=("subnet-a",), desired=3, running=3, unended=unended)
    plan = Plan(vpc_id="vpc-0a1b2c3d", needs=(), services=(wiring,))
    return held_back(plan, [service], updates, NOW)


@pytest.mark.parametrize("state", [UpdateState.ROLLED_BACK, UpdateState.FAILED])
@pytest.mark.parametrize("missing", [ADDED, "subnet-c"])
def test_after_a_rollback_a_person_must_ask_whichever_subnet_it_is(state: UpdateState, missing: str) -> None:
    assert held(an_update(state, hours_ago=1000), missing=missing).until_asked


@pytest.mark.parametrize("state", [UpdateState.UNKNOWN, UpdateState.ENDLESS])
def test_after_an_unknown_end_a_person_must_ask_for_the_same_subnet(state: UpdateState) -> None:
    assert held(an_update(state)).until_asked
    assert held(an_update(state), missing="subnet-c") == FREE


def test_a_request_of_a_person_allows_one_more_update() -> None:
    rolled_back = an_update(UpdateState.ROLLED_BACK, hours_ago=9)
    assert held(rolled_back, an_update(UpdateState.WIRED, asked=True)) == FREE
    assert held(rolled_back, an_update(UpdateState.ROLLED_BACK, asked=True)).until_asked


def test_a_list_that_was_reset_is_restored_twice_a_day_apart() -> None:
    first, second, third = (an_update(UpdateState.WIRED, hours_ago=hours) for hours in (60, 30, 5))
    assert held(second) == FREE
    assert held(first, third).for_now
    assert held(first, second) == FREE
    assert "was reset each time" in str(held(first, second, third).until_asked)


def test_a_deployment_that_was_in_the_way_is_waited_for_again_after_one_hour_two_and_four() -> None:
    def left_out(hours: float) -> ServiceUpdate:
        return an_update(UpdateState.LEFT_OUT, hours_ago=None, deployment="stuck", since=NOW - timedelta(hours=hours))

    assert held(left_out(0.9), unended="stuck").for_now
    assert held(left_out(1), unended="stuck") == FREE
    assert held(left_out(3), left_out(1.9), unended="stuck").for_now
    assert held(left_out(3), left_out(2), unended="stuck") == FREE
    assert held(left_out(0.1), unended="another") == FREE
    assert held(left_out(0.1)) == FREE


def test_each_subnet_must_have_room_for_all_tasks_of_its_zone() -> None:
    room = {"subnet-a": ("a", 3), "subnet-b": ("a", 5), "subnet-c": ("b", 4)}
    left, is_enough = reserved(room, room, 6)
    assert is_enough
    assert left == {"subnet-a": ("a", 0), "subnet-b": ("a", 2), "subnet-c": ("b", 1)}
    assert not reserved(room, room, 7)[1]
    assert reserved(room, ["subnet-b", "subnet-c"], 7)[1]
    assert not reserved(room, room, 4, spare=4)[1]
    assert reserved(room, room, 4, spare=2)[1]


ROOM = {"subnet-a": ("a", 9), ADDED: ("a", 9)}
STARVED = Judgement(state=DeploymentState.STARVED)


def services(*names: str, **changes: Any) -> dict[tuple[str, str], Seen]:
    """Services of three tasks in the first subnet."""
    one = seen(BEFORE, lists=OLD)
    return {("web", name): replace(one, service=replace(one.service, name=name), **changes) for name in names}


def pending(*names: str) -> list[ServiceUpdate]:
    return [an_update(UpdateState.PENDING, hours_ago=None, service=name) for name in names]


def names_of(updates: Sequence[ServiceUpdate]) -> list[str]:
    return [one.service for one in updates]


def test_updates_are_due_in_their_order_while_there_is_room_for_them_and_for_the_next_deployment() -> None:
    names = ("shop", "cart", "till")
    assert names_of(due(pending(*names), services(*names), ROOM)) == ["shop", "cart"]
    assert names_of(due(pending(*names), services(*names), dict.fromkeys(ROOM, ("a", 12)))) == list(names)


def test_without_room_one_is_due_if_none_deploys() -> None:
    names = ("shop", "cart")
    full = dict.fromkeys(ROOM, ("a", 0))
    assert names_of(due(pending(*names), services(*names), full)) == ["shop"]
    deploys = an_update(UpdateState.DEPLOYING, service="till")
    assert due([deploys, *pending(*names)], services(*names, "till"), full) == ()


def test_all_that_starve_are_due_whatever_room_there_is_and_none_twice() -> None:
    names = ("shop", "cart")
    full = dict.fromkeys(ROOM, ("a", 0))
    starving = services(*names, judgement=STARVED)
    assert names_of(due(pending(*names, *names), starving, full)) == list(names)


def test_what_is_deployed_by_others_or_gone_is_not_due() -> None:
    busy = services("shop", judgement=Judgement(state=DeploymentState.IN_PROGRESS))
    assert due(pending("shop", "cart"), busy, ROOM) == ()
