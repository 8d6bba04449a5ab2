"""Which tasks may take production traffic while a deployment shifts it."""

from datetime import timedelta
from typing import Any

import pytest

from berthmaster.targets.model import Finding, Task
from berthmaster.targets.observe.traffic_shifts import NO_SHIFT, shift_of
from berthmaster.targets.plan.traffic_shift import (
    Revision,
    Shift,
    Traffic,
    is_in_production,
    next_check,
    shift_findings,
)
from tests.support.targets.builders import NOON, a_target_group, a_task, definition_arn, seconds

EARLIER, LATER = NOON - timedelta(hours=2), NOON - timedelta(minutes=10)
BLUE = Revision(id="ecs-svc/1", in_production=True, definition=definition_arn("shop"), created_at=EARLIER)
GREEN = Revision(id="ecs-svc/2", in_production=False, definition=definition_arn("next"), created_at=LATER)
AGAIN = Revision(id="ecs-svc/2", in_production=False, definition=definition_arn("shop"), created_at=LATER)


def started(by: str, minutes_ago: float = 5, family: str = "shop") -> Task:
    return a_task(family=family, started_by=by, created_at=NOON - timedelta(minutes=minutes_ago))


@pytest.mark.parametrize(
    ("task", "traffic"),
    [
        (started("ecs-svc/1", 60), Traffic.PRODUCTION),
        # One that takes the place of an old task during the deployment.
        (started("ecs-svc/1"), Traffic.PRODUCTION),
        (started("ecs-svc/2"), Traffic.NOT_YET),
        # Older than the new revision, which therefore did not start it.
        (started("", 60), Traffic.PRODUCTION),
        (started(""), Traffic.UNKNOWN),
        (a_task(), Traffic.UNKNOWN),
    ],
)
def test_a_redeployment_of_the_same_task_definition_is_told_apart_by_ids_else_by_times(
    task: Task, traffic: Traffic
) -> None:
    assert Shift(revisions=(AGAIN, BLUE)).traffic_of(task) is traffic


@pytest.mark.parametrize(
    ("task", "traffic"),
    [
        (started("ecs-svc/9"), Traffic.PRODUCTION),
        (started("", family="next"), Traffic.NOT_YET),
        (started("", 60, family="next"), Traffic.UNKNOWN),
        (started("ecs-svc/3", family="third"), Traffic.UNKNOWN),
    ],
)
def test_revisions_with_different_task_definitions_are_told_apart_by_them(task: Task, traffic: Traffic) -> None:
    assert Shift(revisions=(GREEN, BLUE)).traffic_of(task) is traffic


def test_nothing_is_known_where_there_is_a_problem() -> None:
    assert Shift(problem="denied").traffic_of(started("ecs-svc/1")) is Traffic.UNKNOWN


@pytest.mark.parametrize(
    ("status", "stage", "weight", "expected"),
    [
        ("IN_PROGRESS", "POST_SCALE_UP", 0, False),
        ("IN_PROGRESS", "PRE_PRODUCTION_TRAFFIC_SHIFT", 0, False),
        ("IN_PROGRESS", "PRE_PRODUCTION_TRAFFIC_SHIFT", 10, True),
        ("IN_PROGRESS", "PRODUCTION_TRAFFIC_SHIFT", 0, True),
        ("IN_PROGRESS", "BAKE_TIME", 100, True),
        ("IN_PROGRESS", "", 0, None),
        ("IN_PROGRESS", "WARM_UP", 0, None),
        ("STOPPED", "POST_SCALE_UP", 0, False),
        ("STOPPED", "BAKE_TIME", 0, True),
        ("ROLLBACK_IN_PROGRESS", "BAKE_TIME", 0, False),
        ("ROLLBACK_FAILED", "BAKE_TIME", 100, True),
        ("ROLLBACK_SUCCESSFUL", "POST_SCALE_UP", 0, False),
        ("PENDING", "", 0, False),
    ],
)
def test_production_traffic_shifts_at_its_stage_or_with_the_weights(
    status: str, stage: str, weight: float, expected: object
) -> None:
    assert is_in_production(status=status, stage=stage, weight=weight) is expected


def a_deployment(*weights: float | None, status: str = "IN_PROGRESS", stage: str = "POST_SCALE_UP") -> dict[str, Any]:
    """As DescribeServiceDeployments shows it; weights: of the target and the sources, None if ECS shows none."""
    home = "arn:aws:ecs:eu-central-1:123456789012:service-revision/web/shop"
    revisions = [
        {"arn": f"{home}/{number}"} | ({} if weight is None else {"requestedProductionTrafficWeight": weight})
        for number, weight in enumerate(weights)
    ]
    return {
        "status": status,
        "lifecycleStage": stage,
        "targetServiceRevision": revisions[0],
        "sourceServiceRevisions": revisions[1:],
    }


@pytest.mark.parametrize(
    ("weights", "production"),
    [
        ([0, 100], [False, True]),
        ([None, None], [False, True]),
        # The second source is of a deployment that was replaced before its shift.
        ([0, 100, 0], [False, True, False]),
        ([0], [False]),
    ],
)
def test_older_revisions_take_traffic_by_their_weights(weights: list[float | None], production: list[bool]) -> None:
    shift = shift_of(a_deployment(*weights))
    assert [one.in_production for one in shift.revisions] == production
    assert [one.id for one in shift.revisions] == [f"ecs-svc/{number}" for number in range(len(weights))]


def test_of_several_older_revisions_without_weights_none_is_guessed() -> None:
    assert shift_of(a_deployment(None, None, None)).problem


def test_from_the_shift_on_nothing_waits() -> None:
    assert shift_of(a_deployment(0, 100, stage="PRODUCTION_TRAFFIC_SHIFT")) is NO_SHIFT
    assert shift_of(a_deployment(10, 90, stage="PRE_PRODUCTION_TRAFFIC_SHIFT")) is NO_SHIFT


@pytest.mark.parametrize(("age", "after"), [(0, 5), (60, 5), (300, 15), (3600, 30)])
def test_a_task_is_checked_the_less_often_the_longer_it_waits(age: float, after: float) -> None:
    assert next_check(a_task(started_at=NOON - seconds(age)), NOON) == NOON + seconds(after)
    assert next_check(a_task(started_at=None), NOON) == NOON + seconds(5)


def test_people_hear_once_per_service_of_what_is_unknown_and_of_what_waits_long() -> None:
    group = a_target_group().arn
    young, old = a_task(1), a_task(2, started_at=NOON - timedelta(minutes=10))

    def found(*tasks: tuple[Task, Traffic], **problems: str) -> list[Finding]:
        return shift_findings(group, tasks, {f"web/{name}": text for name, text in problems.items()})

    assert found((young, Traffic.NOT_YET)) == []
    assert [one.code for one in found((young, Traffic.NOT_YET), (old, Traffic.NOT_YET))] == [
        "waits for the traffic shift"
    ]
    (unknown,) = found((young, Traffic.UNKNOWN), (old, Traffic.UNKNOWN), shop="AccessDenied")
    assert unknown.code == "traffic shift unknown"
    assert "web/shop" in unknown.text
    assert "AccessDenied" in unknown.text
