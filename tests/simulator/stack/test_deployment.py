"""A toy application, deployed from its template: schedules, rules, queues, retries, dead letters, death."""

from __future__ import annotations

import json
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from simulator.aws.events.api_calls import principal
from simulator.calls import calling_as
from simulator.cloud import Cloud
from simulator.faults import CrashAfter, CrashBefore, FaultPlan
from simulator.latency import Constant
from simulator.stack.deployment import Deployment

TOY = Path(__file__).parent / "toy" / "template.yaml"


@pytest.fixture
def toy(cloud: Cloud) -> Deployment:
    return Deployment(cloud, template=TOY, stack="toy")


def job(do: str, why: Any = "") -> dict[str, Any]:
    return {"source": "toy", "detail-type": "Job", "detail": {"do": do, "why": why}}


def notes(toy: Deployment) -> dict[str, int]:
    items = toy.cloud.client("dynamodb").scan(TableName="toy-Table")["Items"]
    return {item["pk"]["S"]: int(item.get("count", {"N": "0"})["N"]) for item in items}


def test_environment_is_the_templates_exactly(toy: Deployment) -> None:
    assert dict(toy.runtime.functions["Ticker"].environment) == {"BUS": "toy-bus", "POWERTOOLS_SERVICE_NAME": "ticker"}
    worker = toy.runtime.functions["Worker"]
    assert worker.environment["QUEUE_URL"] == "https://sqs.eu-central-1.amazonaws.com/123456789012/toy-Jobs"
    assert worker.timeout == 30


def test_parameters_are_checked(cloud: Cloud) -> None:
    with pytest.raises(ValueError, match="no value of Mode"):
        Deployment(cloud, template=TOY, parameters={"Mode": "mad"})
    with pytest.raises(ValueError, match="no parameter Moody"):
        Deployment(cloud, template=TOY, parameters={"Moody": "yes"})


def test_a_schedule_leads_through_bus_and_queue_to_the_table(toy: Deployment) -> None:
    toy.run(minutes=16)
    assert sorted(notes(toy)) == sorted(f"{tick}-{step}" for tick in (1, 2, 3) for step in ("first", "second"))
    # The counter is the layer's, and each container has its own.
    assert notes(toy)["3-second"] == 6
    assert toy.runtime.cold_starts == 2
    assert [record["ticks"] for record in toy.logs.records("Ticker") if record["message"] == "tick"] == [1, 2, 3]
    assert toy.cloud.calls.of("Worker").counts() == {"dynamodb:PutItem": 6}
    assert toy.cloud.calls.of("Ticker").counts() == {"events:PutEvents": 3}


def test_a_function_without_its_schedule_does_not_run(cloud: Cloud) -> None:
    toy = Deployment(cloud, template=TOY, stack="toy", unscheduled=["Ticker"])
    toy.run(minutes=16)
    assert toy.invocations == []


def test_only_the_failed_items_of_a_batch_come_back(toy: Deployment) -> None:
    toy.put_event(job("note", "good"), bus="toy-bus")
    toy.put_event(job("fail", "bad"), bus="toy-bus")
    toy.drain()
    assert set(notes(toy)) == {"good-first", "good-second"}
    assert [letter["detail"]["why"] for letter in toy.dead_letters("DeadJobs")] == ["bad"]
    first, second, third = [invocation.started for invocation in toy.invocations]
    assert [second - first, third - second] == [pytest.approx(180, abs=2), pytest.approx(180, abs=2)]


def test_a_batch_is_as_large_as_the_template_says(cloud: Cloud) -> None:
    toy = Deployment(cloud, template=TOY, stack="toy", parameters={"Mode": "wild"})
    for index in range(5):
        toy.put_event(job("note", index), bus="toy-bus")
    toy.drain()
    assert len(toy.invocations) == 3


def test_a_message_may_be_delayed(toy: Deployment) -> None:
    start = toy.cloud.clock.timestamp()
    toy.put_event(job("later", "much"), bus="toy-bus")
    toy.drain()
    assert set(notes(toy)) == {"much-first", "much-second"}
    assert toy.invocations[-1].started - start == pytest.approx(60, abs=4)


def test_asynchronous_retries_end_at_the_destination(cloud: Cloud) -> None:
    toy = Deployment(cloud, template=TOY, stack="toy", parameters={"Mode": "wild"})
    toy.run(minutes=9)
    first, second, third = [invocation.started for invocation in toy.invocations]
    assert [second - first, third - second] == [pytest.approx(60, abs=1), pytest.approx(120, abs=1)]
    (record,) = toy.dead_letters("FailedTicks")
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responsePayload"] == {"errorType": "RuntimeError", "errorMessage": "wild"}
    assert record["requestPayload"]["source"] == "aws.scheduler"


def test_notifications_are_recorded(toy: Deployment) -> None:
    toy.put_event(job("publish", "ahoy"), bus="toy-bus")
    toy.drain()
    assert [(note.subject, note.message) for note in toy.published] == [("job", "ahoy")]


def test_aws_events_reach_the_default_bus_transformed(toy: Deployment) -> None:
    details = [{"name": "networkInterfaceId", "value": "eni-1"}, {"name": "subnetId", "value": "subnet-1"}]
    event = {"source": "aws.ecs", "detail-type": "ECS Task State Change"}
    toy.put_event({**event, "detail": {"stoppedReason": "full", "attachments": [{"details": details}]}})
    swapped = [{"name": "subnetId", "value": "eni-1"}, {"name": "other", "value": "subnet-1"}]
    toy.put_event({**event, "detail": {"stoppedReason": "other", "attachments": [{"details": swapped}]}})
    assert [seen.rules for seen in toy.bus_events] == [("toy-StopRule",), ()]
    toy.drain()
    assert set(notes(toy)) == {"full-first", "full-second"}


def test_a_timeout_kills_the_function(toy: Deployment) -> None:
    toy.put_event(job("sleep", 100), bus="toy-bus")
    toy.drain()
    assert [invocation.died for invocation in toy.invocations] == [True, True, True]
    assert [one.ended - one.started for one in toy.invocations] == pytest.approx([30, 30, 30])
    assert notes(toy) == {}
    assert len(toy.dead_letters("DeadJobs")) == 1
    assert toy.runtime.cold_starts == 3


@pytest.mark.parametrize(
    ("crash", "left"),
    [
        (CrashBefore(1), set()),
        (CrashAfter(1), {"x-first"}),
        (CrashBefore(2), {"x-first"}),
        (CrashAfter(2), {"x-first", "x-second"}),
    ],
)
def test_a_crash_loses_the_container_and_nothing_that_aws_did(
    toy: Deployment, crash: CrashBefore | CrashAfter, left: set[str]
) -> None:
    toy.cloud.faults.set_crash(crash)
    toy.put_event(job("note", "x"), bus="toy-bus")
    toy.run(minutes=1)
    assert set(notes(toy)) == left
    assert toy.invocations[0].died
    toy.drain()
    assert set(notes(toy)) == {"x-first", "x-second"}
    # A new container counts from one again.
    assert notes(toy)["x-second"] == 2
    assert toy.dead_letters("DeadJobs") == []


def test_events_are_lost_duplicated_and_delayed_by_seed() -> None:
    def run(seed: int) -> tuple[list[str], int]:
        """What was written, and how often."""
        plan = FaultPlan(seed=seed, event_lost=0.2, event_duplicated=0.3, event_delayed=0.3)
        with Cloud(seed=seed, faults=plan) as cloud:
            toy = Deployment(cloud, template=TOY, stack="toy")
            for index in range(20):
                toy.put_event(job("note", index), bus="toy-bus")
            toy.drain()
            return sorted(notes(toy)), len(cloud.calls.of("Worker").named("dynamodb:PutItem"))

    names, writes = run(4)
    assert len(names) < 40
    assert writes > len(names)
    assert run(4) == (names, writes)


def most_at_once(toy: Deployment) -> int:
    """How many invocations were under way at the same time, at most."""
    begun = [(one.started, 1) for one in toy.invocations]
    ended = [(one.ended, -1) for one in toy.invocations]
    return max(accumulate(change for _, change in sorted(begun + ended)))


def test_a_queue_has_as_many_batches_under_way_as_its_maximum_concurrency(toy: Deployment) -> None:
    for _ in range(6):
        toy.put_event(job("sleep", 5), bus="toy-bus")
        toy.run(minutes=1 / 60)
    toy.drain()
    assert most_at_once(toy) == 2
    assert toy.runtime.cold_starts == 2


def test_an_invocation_goes_on_while_another_waits(toy: Deployment) -> None:
    toy.put_event(job("sleep", 20), bus="toy-bus")
    toy.run(minutes=3 / 60)
    toy.put_event(job("note", "x"), bus="toy-bus")
    toy.run(minutes=10 / 60)
    assert set(notes(toy)) == {"x-first", "x-second"}
    toy.drain()
    assert [one.function for one in toy.invocations] == ["Worker", "Worker"]
    assert toy.invocations[0].ended < toy.invocations[1].ended - 5


def test_asynchronous_invocations_overlap(toy: Deployment) -> None:
    toy.cloud.latency = Constant(1.0)
    for _ in range(4):
        toy.asynchronous.invoke("Ticker", {"source": "test"})
    toy.drain()
    assert most_at_once(toy) == 4
    assert [one["ticks"] for one in toy.logs.records("Ticker") if one["message"] == "tick"] == [1, 1, 1, 1]


def test_what_was_deployed_before_ends_as_it_would_and_is_not_used_again(toy: Deployment) -> None:
    toy.put_event(job("sleep", 20), bus="toy-bus")
    toy.run(minutes=3 / 60)
    toy.runtime.kill_containers()
    toy.drain()
    assert toy.invocations[0].error is None
    toy.put_event(job("note", "x"), bus="toy-bus")
    toy.drain()
    assert toy.runtime.cold_starts == 2


def test_a_queue_that_subscribes_to_a_topic_gets_its_messages(toy: Deployment) -> None:
    topic = toy.template.identity("Bell").ref
    message = json.dumps(job("note", "rung"))
    toy.cloud.client("sns").publish(TopicArn=topic, Subject="ding", Message=message)
    (heard,) = toy.dead_letters("Heard")
    assert (heard["Type"], heard["TopicArn"], heard["Subject"], heard["Message"]) == (
        *("Notification", topic, "ding", message),
    )
    toy.drain()
    assert sorted(notes(toy)) == ["rung-first", "rung-second"]


def test_calls_of_a_function_are_made_with_its_role(toy: Deployment) -> None:
    with calling_as("Worker"):
        caller = principal(toy.cloud)
    [role] = (
        one.properties["Role"] for one in toy.template.resources("AWS::Lambda::Function") if one.logical_id == "Worker"
    )
    assert role.endswith(f":role/{caller.role}")
    assert caller.session == toy.runtime.functions["Worker"].name
