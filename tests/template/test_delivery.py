"""Nothing is lost in silence: every asynchronous path has retries, a dead-letter queue, and an alarm on it."""

import pytest

from tests.template.application import FUNCTIONS, named, of_type, properties

QUEUES = sorted(of_type("AWS::SQS::Queue"))
FOURTEEN_DAYS = 14 * 24 * 3600


def dead_letter_queues() -> set[str]:
    """Every queue that some path gives up to."""
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
    return {named(arn) for arn in arns}


@pytest.mark.parametrize("name", sorted(of_type("AWS::Events::Rule")))
def test_a_rule_tries_again_and_then_hands_over(name: str) -> None:
    for target in properties(name)["Targets"]:
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
        assert named(target["DeadLetterConfig"]["Arn"]) in QUEUES


@pytest.mark.parametrize("name", sorted(of_type("AWS::Events::Rule")))
def test_a_rule_may_send_to_the_queues_it_names(name: str) -> None:
    allowing = [
        statement
        for statement in properties("QueuePolicy")["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow" and f"${{{name}.Arn}}" in statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    ]
    for target in properties(name)["Targets"]:
        for queue in (target["Arn"], target["DeadLetterConfig"]["Arn"]):
            assert any(queue in statement["Resource"] for statement in allowing)


@pytest.mark.parametrize("name", sorted(of_type("AWS::Scheduler::Schedule")))
def test_a_schedule_tries_again_and_then_hands_over(name: str) -> None:
    target = properties(name)["Target"]
    assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
    assert named(target["DeadLetterConfig"]["Arn"]) in QUEUES


@pytest.mark.parametrize("name", sorted(of_type("AWS::Scheduler::Schedule")))
def test_what_a_schedule_starts_hands_its_failures_over(name: str) -> None:
    started = properties(name)["Target"]["Arn"].removesuffix(".Arn}") + "}"
    configs = {config["FunctionName"]: config for config in of_type("AWS::Lambda::EventInvokeConfig").values()}
    assert named(configs[started]["DestinationConfig"]["OnFailure"]["Destination"]) in QUEUES


@pytest.mark.parametrize("name", sorted(of_type("AWS::Lambda::EventSourceMapping")))
def test_a_queue_that_feeds_a_function_gives_up_after_some_tries(name: str) -> None:
    mapping = properties(name)
    queue = properties(named(mapping["EventSourceArn"]))
    function = properties(named(mapping["FunctionName"]))
    assert queue["RedrivePolicy"]["maxReceiveCount"] >= 3
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "FilterCriteria" not in mapping  # it would delete what it does not let through


@pytest.mark.parametrize("queue", QUEUES)
def test_a_queue_keeps_what_it_gets_as_long_as_sqs_can(queue: str) -> None:
    assert properties(queue)["MessageRetentionPeriod"] == FOURTEEN_DAYS


@pytest.mark.parametrize("queue", sorted(dead_letter_queues()))
def test_people_are_told_of_what_was_given_up(queue: str) -> None:
    watching = [
        alarm
        for alarm in of_type("AWS::CloudWatch::Alarm").values()
        if alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
        and alarm["Dimensions"] == [{"Name": "QueueName", "Value": f"${{{queue}.QueueName}}"}]
    ]
    assert [alarm["AlarmActions"] for alarm in watching] == [["${Topic}"]]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_people_are_told_when_a_function_fails_or_cannot_run(function: str, metric: str) -> None:
    watching = [
        alarm
        for alarm in of_type("AWS::CloudWatch::Alarm").values()
        if alarm["MetricName"] == metric
        and alarm["Dimensions"] == [{"Name": "FunctionName", "Value": f"${{{function}}}"}]
    ]
    assert [alarm["AlarmActions"] for alarm in watching] == [["${Topic}"]]


def test_people_are_told_when_nothing_was_measured_for_15_minutes() -> None:
    alarm = properties("CapacityWatchSilentAlarm")
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 15 * 60
    assert alarm["TreatMissingData"] == "breaching"
