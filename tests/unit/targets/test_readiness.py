"""Whether a deployment may continue, and what it waits for."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.targets.model import Claim, ClaimState, Destination, Target, TargetState, Task
from berthmaster.targets.plan.readiness import Readiness, ReadinessInput, Revision, judge
from tests.support.targets.builders import (
    NOON,
    ONE_PORT,
    a_claim,
    a_cloud_map_service,
    a_target_group,
    a_task,
    definition_arn,
    key_of,
    seconds,
)

HEALTHY = Target(TargetState.PRESENT, "healthy")
INITIAL = Target(TargetState.PRESENT, "initial", "Elb.InitialHealthChecking")
TIMEOUT = Target(TargetState.PRESENT, "unhealthy", "Target.Timeout")
UNUSED = Target(TargetState.PRESENT, "unused", "Target.NotInUse")
LOAD_BALANCER = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/front/0123456789abcdef"
REVISION = Revision(definition=definition_arn("shop"), created_at=NOON - timedelta(minutes=2))


def tasks(count: int) -> tuple[Task, ...]:
    return tuple(a_task(number, ip=f"10.0.0.{number + 3}") for number in range(1, count + 1))


def readiness(
    new: Iterable[Task],
    *destinations: Destination,
    claims: Iterable[Claim] = (),
    targets: Mapping[tuple[Task, Destination], Target] | None = None,
    count: int | None = None,
) -> Readiness:
    """The readiness of some tasks; the desired count is their number unless given."""
    known = tuple(new)
    return judge(
        ReadinessInput(
            count=len(known) if count is None else count,
            tasks=known,
            destinations={one.arn: one for one in destinations},
            definitions={definition_arn("shop"): ONE_PORT},
            claims={claim.key: claim for claim in claims},
            targets={key_of(*whose): target for whose, target in (targets or {}).items()},
        )
    )


def test_it_continues_when_all_tasks_are_registered_and_healthy_everywhere() -> None:
    web, internal, names = a_target_group("web"), a_target_group("internal"), a_cloud_map_service("shop")
    new = tasks(3)
    given_claims = [a_claim(task, one) for task in new for one in (web, internal, names)]
    found = readiness(
        new,
        web,
        internal,
        names,
        claims=given_claims,
        targets={(task, group): HEALTHY for task in new for group in (web, internal)},
    )
    assert found.may_continue
    assert found.reason == ""
    shown = ["internal: 3 of 3 healthy", "shop: 3 of 3 registered", "web: 3 of 3 healthy"]
    assert [str(one) for one in found.destinations] == shown


def test_it_waits_for_a_single_destination_and_the_reason_explains_it() -> None:
    web, internal = a_target_group("web"), a_target_group("internal")
    new = tasks(4)
    states = [HEALTHY, TIMEOUT, TIMEOUT, INITIAL]
    found = readiness(
        new,
        web,
        internal,
        claims=[a_claim(task, one) for task in new for one in (web, internal)],
        targets={(task, web): state for task, state in zip(new, states, strict=True)}
        | {(task, internal): HEALTHY for task in new},
    )
    assert not found.may_continue
    expected = "web: 1 of 4 healthy (2 unhealthy: Target.Timeout, 1 initial: Elb.InitialHealthChecking)"
    assert found.reason == expected


def test_it_waits_until_as_many_tasks_run_as_are_desired() -> None:
    web = a_target_group("web")
    new = tasks(2)
    found = readiness(
        new,
        web,
        count=3,
        claims=[a_claim(task, web) for task in new],
        targets={(task, web): HEALTHY for task in new},
    )
    assert not found.may_continue
    assert found.reason == "2 of 3 new tasks run"


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (ClaimState.REGISTERING, "registering"),
        (ClaimState.REFUSED, "refused"),
        (ClaimState.DRAINING, "draining"),
        (ClaimState.TOMBSTONE, "not yet registered"),
        (ClaimState.HANDOVER, "waiting until the address has drained for its former owner"),
    ],
)
def test_the_health_of_an_address_does_not_count_before_its_claim_is_registered(state: ClaimState, shown: str) -> None:
    web, names = a_target_group("web"), a_cloud_map_service("shop")
    (task,) = tasks(1)
    found = readiness(
        [task],
        web,
        names,
        claims=[a_claim(task, one, state) for one in (web, names)],
        targets={(task, web): HEALTHY},
    )
    assert not found.may_continue
    assert found.reason == f"shop: 0 of 1 registered (1 {shown}); web: 0 of 1 healthy (1 {shown})"


def test_the_health_of_a_former_owner_never_counts() -> None:
    web = a_target_group("web")
    (task,) = tasks(1)
    former = a_task(9, ip="10.0.0.4")
    found = readiness([task], web, claims=[a_claim(former, web)], targets={(task, web): HEALTHY})
    assert not found.may_continue
    assert "at an address that another task still holds" in found.reason


def test_the_health_of_a_target_that_others_registered_does_not_count() -> None:
    web = a_target_group("web")
    (task,) = tasks(1)
    found = readiness([task], web, targets={(task, web): HEALTHY})
    assert found.reason == "web: 0 of 1 healthy (1 not yet registered)"


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (None, "absent"),
        (Target(TargetState.DRAINING, "draining", "Target.DeregistrationInProgress"), "draining: Target.Deregistra"),
        (Target(TargetState.PRESENT, "unhealthy.draining", "Target.FailedHealthChecks"), "unhealthy.draining: Target"),
        (Target(TargetState.PRESENT, "unavailable", "Elb.InternalError"), "unavailable: Elb.InternalError"),
    ],
)
def test_it_waits_for_targets_in_any_other_state(target: Target | None, shown: str) -> None:
    web = a_target_group("web")
    (task,) = tasks(1)
    found = readiness([task], web, claims=[a_claim(task, web)], targets={(task, web): target} if target else {})
    assert not found.may_continue
    assert shown in found.reason


def test_a_group_without_a_load_balancer_is_named_and_not_waited_for() -> None:
    web, spare = a_target_group("web", load_balancers=(LOAD_BALANCER,)), a_target_group("spare")
    (task,) = tasks(1)
    found = readiness(
        [task],
        web,
        spare,
        claims=[a_claim(task, one) for one in (web, spare)],
        targets={(task, web): HEALTHY, (task, spare): UNUSED},
    )
    assert found.may_continue
    assert found.unused == ("spare",)


def test_it_waits_for_a_task_in_a_zone_that_the_load_balancer_does_not_serve() -> None:
    web = a_target_group("web", load_balancers=(LOAD_BALANCER,))
    (task,) = tasks(1)
    found = readiness([task], web, claims=[a_claim(task, web)], targets={(task, web): UNUSED})
    assert found.unused == ()
    assert found.reason == "web: 0 of 1 healthy (1 in a zone that the load balancer does not serve)"


def test_destinations_that_ecs_registers_or_that_are_detached_do_not_count() -> None:
    by_ecs = a_target_group("by-ecs", registered_by_ecs=["web/shop"])
    detached = a_target_group("detached", declared={"detached": True})
    found = readiness(tasks(2), by_ecs, detached)
    assert found.may_continue
    assert found.destinations == ()


def test_an_unclear_port_is_part_of_the_reason() -> None:
    web = a_target_group("web", declared={"port": "admin"})
    found = readiness(tasks(2), web)
    assert found.reason == "web: 0 of 2 healthy (2 no container port is named 'admin')"


def test_a_long_reason_is_cut() -> None:
    groups = [a_target_group(f"web-{number:02}") for number in range(14)]
    reason = readiness(tasks(1), *groups).reason
    assert reason.count("not yet registered") == 10
    assert reason.endswith("; and 4 more destinations")
    odd = [Target(TargetState.PRESENT, "unhealthy", f"reason {number}") for number in range(5)]
    new = tasks(5)
    web = a_target_group("web")
    reason = readiness(
        new,
        web,
        claims=[a_claim(task, web) for task in new],
        targets={(task, web): one for task, one in zip(new, odd, strict=True)},
    ).reason
    assert (reason.count("unhealthy"), reason[-2:]) == (3, "…)")


@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, *ClaimState]), st.booleans(), st.sampled_from([None, HEALTHY, TIMEOUT, INITIAL])
        ),
        min_size=1,
        max_size=6,
    )
)
def test_it_continues_if_and_only_if_every_task_is_registered_for_itself_and_healthy(
    standings: list[tuple[ClaimState | None, bool, Target | None]],
) -> None:
    web = a_target_group("web")
    new = tasks(len(standings))
    claims, targets = [], {}
    for task, (state, is_own, target) in zip(new, standings, strict=True):
        if state is not None:
            claims.append(replace(a_claim(task, web, state), **({} if is_own else {"owner": "another"})))
        if target is not None:
            targets[task, web] = target
    found = readiness(new, web, claims=claims, targets=targets)
    ready = all(standing == (ClaimState.REGISTERED, True, HEALTHY) for standing in standings)
    assert found.may_continue == ready
    assert bool(found.reason) == (not ready)


@pytest.mark.parametrize(
    ("more", "is_new"),
    [
        ({}, True),
        ({"created_at": REVISION.created_at}, True),
        ({"created_at": REVISION.created_at - seconds(1)}, False),
        ({"created_at": None}, False),
        ({"family": "shop-next"}, False),
        ({"last_status": "PENDING"}, False),
        ({"last_status": "RUNNING", "desired_status": "STOPPED"}, False),
    ],
)
def test_a_revision_includes_the_running_tasks_of_its_task_definition_since_it_was_created(
    more: dict[str, Any], *, is_new: bool
) -> None:
    assert REVISION.includes(a_task(**({"created_at": NOON} | more))) is is_new
    assert REVISION.family == "shop"
