"""An alarm watches a metric that exists, and its description, which people read in an e-mail, says what is true."""

import json
import os
from typing import Any

import pytest
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from simulator.template_contract.application import named, of_type, properties, source

ALARMS = of_type("AWS::CloudWatch::Alarm")
NUMBERS = {3: "three", 5: "five"}
MEANINGS = {
    "Errors": (" failed ", " crashed or timed out "),
    "Throttles": ("Lambda throttled ",),
    "Invocations": (" has not been invoked ",),
    "ApproximateAgeOfOldestMessage": (" in the queue ",),
    "ApproximateNumberOfMessagesVisible": ("queue holds ", "queue of "),
    "HeldBack": (" held back a change ",),
    "UnfinishedWork": (" unfinished because ",),
    "FilesOutOfBalance": (" out of balance",),
    "RestoresFailed": (" could not restore ",),
}
"""By metric: one of these words must be in the description."""
QUEUES = sorted(name.removesuffix("DeadLetterQueue") for name in of_type("AWS::SQS::Queue") if "DeadLetter" in name)
OF_BERTHMASTER = sorted(name for name, alarm in ALARMS.items() if alarm.get("Namespace") == "Berthmaster")


def metric(alarm: dict[str, Any]) -> dict[str, Any]:
    """What an alarm watches first: Namespace, MetricName, Dimensions and Period."""
    if "Metrics" not in alarm:
        return alarm
    first = alarm["Metrics"][0]["MetricStat"]
    return {**first["Metric"], "Period": first["Period"]}


def subject(alarm: dict[str, Any]) -> str:
    """The function that an alarm is about, by its name for people; for the queue of no function, that queue's."""
    (dimension,) = metric(alarm)["Dimensions"]
    if dimension["Name"] == "service":
        return str(dimension["Value"])
    logical_id = named(dimension["Value"])
    for mapping in of_type("AWS::Lambda::EventSourceMapping").values():
        queue = named(mapping["EventSourceArn"])
        if logical_id in {queue, named(properties(queue)["RedrivePolicy"]["deadLetterTargetArn"])}:
            logical_id = named(mapping["FunctionName"])
    if logical_id in of_type("AWS::Lambda::Function"):
        return str(service_of(logical_id))
    return logical_id.removesuffix("Queue").lower()


def service_of(function: str) -> str:
    """The dimension `service` that Powertools gives to the metrics of a function."""
    return str(properties(function)["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"])


def duration(alarm: dict[str, Any]) -> str:
    """How a description has to name the time that an alarm of a rate looks back."""
    minutes, periods = metric(alarm)["Period"] // 60, alarm["EvaluationPeriods"]
    if metric(alarm)["MetricName"] == "Invocations":
        return f"for {minutes * periods} minutes"
    if periods == 1:
        return f"in the last {minutes} minutes" if minutes > 1 else "in the last minute"
    return f"in each of the last {periods} " + (f"periods of {minutes} minutes" if minutes > 1 else "minutes")


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_a_description_names_its_subject_and_the_meaning_of_its_metric(name: str) -> None:
    description = ALARMS[name]["AlarmDescription"]
    assert subject(ALARMS[name]) in description
    assert any(words in description for words in MEANINGS[metric(ALARMS[name])["MetricName"]])


@pytest.mark.parametrize(
    "name", [name for name in sorted(ALARMS) if metric(ALARMS[name])["Namespace"] == "AWS/Lambda" or "Held" in name]
)
def test_a_description_states_the_time_that_the_alarm_looks_back(name: str) -> None:
    assert duration(ALARMS[name]).lower() in ALARMS[name]["AlarmDescription"].lower()


@pytest.mark.parametrize("name", [name for name in sorted(ALARMS) if name.endswith("QueueAgeAlarm")])
def test_a_description_states_the_age_that_the_alarm_tolerates(name: str) -> None:
    minutes = ALARMS[name]["Threshold"] // 60
    stated = f"for more than {minutes} minute" + ("s" if minutes > 1 else "")
    assert stated in ALARMS[name]["AlarmDescription"]
    if ALARMS[name]["EvaluationPeriods"] > 1:
        assert duration(ALARMS[name]).lower() in ALARMS[name]["AlarmDescription"].lower()


@pytest.mark.parametrize("queue", QUEUES)
def test_descriptions_state_the_number_of_attempts_and_the_command_to_redrive(queue: str) -> None:
    attempts = NUMBERS[properties(f"{queue}Queue")["RedrivePolicy"]["maxReceiveCount"]]
    description = ALARMS[f"{queue}DeadLetterAlarm"]["AlarmDescription"]
    assert f"failed {attempts} times" in description
    assert f"{queue}RedriveCommand" in description
    assert f"{queue}RedriveCommand" in source()["Outputs"]
    (errors,) = [
        alarm
        for alarm in ALARMS.values()
        if metric(alarm)["MetricName"] == "Errors" and f"{attempts} times in total" in alarm["AlarmDescription"]
        if subject(alarm) == subject(ALARMS[f"{queue}DeadLetterAlarm"])
    ]
    assert errors["EvaluationPeriods"] == 1


@pytest.mark.parametrize("automation", ["Capacity", "Targets", "Batch", "SecurityGroups"])
def test_the_alarm_for_unfinished_work_lasts_a_day_and_clears_by_itself(automation: str) -> None:
    alarm = ALARMS[f"{automation}UnfinishedAlarm"]
    assert (alarm["TreatMissingData"], alarm["Period"], alarm["Statistic"]) == ("notBreaching", 86400, "Sum")
    assert f"{automation}Mode is off" in alarm["AlarmDescription"]


@pytest.mark.parametrize("name", ["TargetsQueueAgeAlarm", "BatchTaskQueueAgeAlarm"])
def test_delayed_messages_do_not_raise_the_alarm_for_waiting_events(name: str) -> None:
    alarm = ALARMS[name]
    (shown,) = [one for one in alarm["Metrics"] if one.get("ReturnData", True)]
    assert shown["Expression"] == "IF(visible > 0, age, 0)"
    assert {one["Id"] for one in alarm["Metrics"]} == {"age", "visible", shown["Id"]}


@pytest.mark.parametrize("name", OF_BERTHMASTER)
def test_an_alarm_of_berthmasters_metrics_has_the_dimension_that_powertools_writes(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alarm = ALARMS[name]
    (function,) = [one for one in of_type("AWS::Lambda::Function") if service_of(one) == subject(alarm)]
    for variable, value in properties(function)["Environment"]["Variables"].items():
        if variable.startswith("POWERTOOLS_"):
            monkeypatch.setenv(variable, value)
    metrics = EphemeralMetrics()
    metrics.add_metric(alarm["MetricName"], MetricUnit.Count, 1)
    metrics.flush_metrics()
    written = json.loads(capsys.readouterr().out)
    (directive,) = written["_aws"]["CloudWatchMetrics"]
    assert alarm["Namespace"] == directive["Namespace"]
    assert [[one["Name"] for one in alarm["Dimensions"]]] == directive["Dimensions"]
    assert alarm["Dimensions"][0]["Value"] == written["service"] == os.environ["POWERTOOLS_SERVICE_NAME"]
