"""Nothing is lost in silence: every asynchronous path has retries, a dead-letter queue, and an alarm on it."""

import json
import os

import pytest

from berthmaster.targets.report import metrics as measures
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
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible"
        and alarm["Dimensions"] == [{"Name": "QueueName", "Value": f"${{{queue}.QueueName}}"}]
    ]
    assert [alarm["AlarmActions"] for alarm in watching] == [["${Topic}"]]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_people_are_told_when_a_function_fails_or_cannot_run(function: str, metric: str) -> None:
    watching = [
        alarm
        for alarm in of_type("AWS::CloudWatch::Alarm").values()
        if alarm.get("MetricName") == metric
        and alarm["Dimensions"] == [{"Name": "FunctionName", "Value": f"${{{function}}}"}]
    ]
    assert [alarm["AlarmActions"] for alarm in watching] == [["${Topic}"]]


@pytest.mark.parametrize(("name", "minutes"), [("CapacityWatchSilentAlarm", 15), ("TargetsReconcileSilentAlarm", 5)])
def test_people_are_told_when_what_should_run_is_silent(name: str, minutes: int) -> None:
    alarm = properties(name)
    assert alarm["Period"] * alarm["EvaluationPeriods"] == minutes * 60
    assert alarm["TreatMissingData"] == "breaching"


def test_messages_whose_time_is_yet_to_come_do_not_look_like_a_queue_that_stands_still() -> None:
    alarm = properties("TargetsQueueAgeAlarm")
    (shown,) = [metric for metric in alarm["Metrics"] if metric.get("ReturnData", True)]
    assert shown["Expression"] == "IF(visible > 0, age, 0)"
    assert {metric["Id"] for metric in alarm["Metrics"]} == {"age", "visible", shown["Id"]}
    assert alarm["Threshold"] == 60


def test_a_change_that_waits_for_a_person_is_announced_by_the_figure_that_is_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in properties("TargetsReconcileFunction")["Environment"]["Variables"].items():
        if name.startswith("POWERTOOLS_"):
            monkeypatch.setenv(name, value)
    measures.publish({"HeldBack": 1})
    (written,) = json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"]
    alarm = properties("TargetsHeldBackAlarm")
    assert (alarm["Namespace"], alarm["MetricName"]) == (written["Namespace"], written["Metrics"][0]["Name"])
    assert [[one["Name"] for one in alarm["Dimensions"]]] == written["Dimensions"]
    assert alarm["Dimensions"][0]["Value"] == os.environ["POWERTOOLS_SERVICE_NAME"]
