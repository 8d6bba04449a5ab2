"""No event is lost silently: every asynchronous path has retries, a dead-letter queue, and an alarm for that queue."""

from collections.abc import Iterator
from typing import Any

import pytest

from simulator.template_contract.application import as_list, named, of_type, properties

QUEUES = sorted(of_type("AWS::SQS::Queue"))
FOURTEEN_DAYS = 14 * 24 * 3600
SUBSCRIPTIONS = [one for one in of_type("AWS::SNS::Subscription").values() if one["Protocol"] == "sqs"]
RULES_OF_THIS_ACCOUNT = "arn:aws:events:eu-central-1:123456789012:rule/*"


def dead_letter_queues() -> set[str]:
    """Every queue that a path falls back to."""
    targets = [target for rule in of_type("AWS::Events::Rule").values() for target in rule["Targets"]]
    targets += [schedule["Target"] for schedule in of_type("AWS::Scheduler::Schedule").values()]
    arns = [target["DeadLetterConfig"]["Arn"] for target in targets]
    arns += [
        config["DestinationConfig"]["OnFailure"]["Destination"]
        for config in of_type("AWS::Lambda::EventInvokeConfig").values()
    ]
    arns += [
        queue["RedrivePolicy"]["deadLetterTargetArn"]
        for queue in of_type("AWS::SQS::Queue").values()
        if "RedrivePolicy" in queue
    ]
    arns += [one["RedrivePolicy"]["deadLetterTargetArn"] for one in SUBSCRIPTIONS]
    return {named(arn) for arn in arns}


def senders(queue: str) -> Iterator[str]:
    """The source ARNs for which EventBridge and SNS may send to a queue."""
    for policy in of_type("AWS::SQS::QueuePolicy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow" and queue in as_list(statement["Resource"]):
                (condition,) = statement["Condition"].values()
                yield from as_list(condition["aws:SourceArn"])


def watching(dimension: dict[str, str], metric: str) -> list[dict[str, Any]]:
    """The alarms of a metric with this dimension."""
    return [
        alarm
        for alarm in of_type("AWS::CloudWatch::Alarm").values()
        if alarm.get("MetricName") == metric and alarm["Dimensions"] == [dimension]
    ]


@pytest.mark.parametrize("name", sorted(of_type("AWS::Events::Rule")))
def test_a_rule_has_a_dead_letter_queue_and_eventbridges_default_retries(name: str) -> None:
    for target in properties(name)["Targets"]:
        assert "RetryPolicy" not in target
        assert named(target["DeadLetterConfig"]["Arn"]) in QUEUES


@pytest.mark.parametrize("name", sorted(of_type("AWS::Events::Rule")))
def test_a_rule_may_send_to_its_queue_and_to_its_dead_letter_queue(name: str) -> None:
    for target in properties(name)["Targets"]:
        assert {f"${{{name}.Arn}}", RULES_OF_THIS_ACCOUNT} & set(senders(target["Arn"]))
        assert RULES_OF_THIS_ACCOUNT in senders(target["DeadLetterConfig"]["Arn"])


@pytest.mark.parametrize("name", sorted(of_type("AWS::Lambda::EventSourceMapping")))
def test_only_rules_and_topics_that_name_a_functions_queue_may_send_to_it(name: str) -> None:
    queue = properties(name)["EventSourceArn"]
    rules = of_type("AWS::Events::Rule").items()
    naming = {f"${{{rule}.Arn}}" for rule, its in rules if queue in {target["Arn"] for target in its["Targets"]}}
    naming |= {one["TopicArn"] for one in SUBSCRIPTIONS if one["Endpoint"] == queue}
    assert set(senders(queue)) == naming


def test_a_topic_sends_what_it_cannot_deliver_to_a_queue_that_takes_it() -> None:
    assert SUBSCRIPTIONS
    for one in SUBSCRIPTIONS:
        assert "RawMessageDelivery" not in one
        assert one["TopicArn"] in senders(one["RedrivePolicy"]["deadLetterTargetArn"])


@pytest.mark.parametrize("name", sorted(of_type("AWS::Scheduler::Schedule")))
def test_a_schedule_retries_and_has_a_dead_letter_queue(name: str) -> None:
    target = properties(name)["Target"]
    assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
    assert named(target["DeadLetterConfig"]["Arn"]) in QUEUES


@pytest.mark.parametrize("name", sorted(of_type("AWS::Scheduler::Schedule")))
def test_a_scheduled_function_reports_failed_invocations_to_a_queue(name: str) -> None:
    started = properties(name)["Target"]["Arn"].removesuffix(".Arn}") + "}"
    configs = {config["FunctionName"]: config for config in of_type("AWS::Lambda::EventInvokeConfig").values()}
    assert named(configs[started]["DestinationConfig"]["OnFailure"]["Destination"]) in QUEUES


@pytest.mark.parametrize("name", sorted(of_type("AWS::Lambda::EventSourceMapping")))
def test_a_functions_queue_allows_retries_and_has_a_dead_letter_queue(name: str) -> None:
    mapping = properties(name)
    queue = properties(named(mapping["EventSourceArn"]))
    function = properties(named(mapping["FunctionName"]))
    assert queue["RedrivePolicy"]["maxReceiveCount"] >= 3
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "FilterCriteria" not in mapping  # it would delete what it rejects


@pytest.mark.parametrize("queue", QUEUES)
def test_a_queue_keeps_messages_as_long_as_sqs_allows(queue: str) -> None:
    assert properties(queue)["MessageRetentionPeriod"] == FOURTEEN_DAYS


@pytest.mark.parametrize("queue", sorted(dead_letter_queues()))
def test_every_dead_letter_queue_has_an_alarm(queue: str) -> None:
    dimension = {"Name": "QueueName", "Value": f"${{{queue}.QueueName}}"}
    (alarm,) = watching(dimension, "ApproximateNumberOfMessagesVisible")
    assert alarm["AlarmActions"] == ["${Topic}"]


@pytest.mark.parametrize("function", sorted(of_type("AWS::Lambda::Function")))
@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_every_function_has_an_alarm_for_failures_and_throttles(function: str, metric: str) -> None:
    (alarm,) = watching({"Name": "FunctionName", "Value": f"${{{function}}}"}, metric)
    assert alarm["AlarmActions"] == ["${Topic}"]


@pytest.mark.parametrize("schedule", sorted(of_type("AWS::Scheduler::Schedule")))
def test_every_scheduled_function_has_an_alarm_for_missing_invocations(schedule: str) -> None:
    function = named(properties(schedule)["Target"]["Arn"])
    (alarm,) = watching({"Name": "FunctionName", "Value": f"${{{function}}}"}, "Invocations")
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert alarm["TreatMissingData"] == "breaching"


def sends_to() -> dict[str, set[str]]:
    """By function: those that read a queue to which its role may send."""
    readers = {
        one["EventSourceArn"]: named(one["FunctionName"]) for one in of_type("AWS::Lambda::EventSourceMapping").values()
    }
    found = {}
    for name, function in of_type("AWS::Lambda::Function").items():
        statements = [
            statement
            for policy in properties(named(function["Role"])).get("Policies", [])
            for statement in policy["PolicyDocument"]["Statement"]
            if "sqs:SendMessage" in as_list(statement["Action"])
        ]
        queues = {queue for statement in statements for queue in as_list(statement["Resource"])}
        found[name] = {readers[queue] for queue in queues if queue in readers}
    return found


def reached(name: str, sends: dict[str, set[str]]) -> set[str]:
    """The functions that get a message because of one that a function has sent."""
    found, left = set[str](), [name]
    while left:
        new = sends[left.pop()] - found
        found |= new
        left += new
    return found


def test_a_function_that_defers_work_to_itself_is_not_stopped_as_a_loop() -> None:
    """By default AWS Lambda invokes no function more than some 16 times in one chain of messages."""
    sends = sends_to()
    looping = {name for name in sends if name in reached(name, sends)}
    allowed = {name for name, one in of_type("AWS::Lambda::Function").items() if one.get("RecursiveLoop") == "Allow"}
    assert "SecurityGroupsChangeFunction" in looping
    assert allowed == looping
