"""EventBridge rules and events, schedules, prefix lists and SNS topics, read and changed as an automation does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from simulator.aws.sns.topics import Topics

if TYPE_CHECKING:
    from simulator.cloud import Cloud

CLUSTER = "arn:aws:ecs:eu-central-1:123456789012:cluster/web"
ROLE = "arn:aws:iam::123456789012:role/caller"


def ecs_parameters(*subnets: str, key: str) -> dict[str, Any]:
    network = {key: {"Subnets": list(subnets), "SecurityGroups": ["sg-1"]}}
    task = "arn:aws:ecs:eu-central-1:123456789012:task-definition/job:1"
    return {"TaskDefinitionArn": task, "LaunchType": "FARGATE", "NetworkConfiguration": network}


def test_a_rule_keeps_its_network(cloud: Cloud) -> None:
    events = cloud.client("events")
    arn = events.put_rule(Name="nightly", ScheduleExpression="rate(1 day)", Tags=[{"Key": "a", "Value": "b"}])[
        "RuleArn"
    ]
    target = {
        "Id": "job",
        "Arn": CLUSTER,
        "RoleArn": ROLE,
        "EcsParameters": ecs_parameters("subnet-1", key="awsvpcConfiguration"),
    }
    assert events.put_targets(Rule="nightly", Targets=[target])["FailedEntryCount"] == 0
    assert events.list_rule_names_by_target(TargetArn=CLUSTER)["RuleNames"] == ["nightly"]
    assert events.list_targets_by_rule(Rule="nightly")["Targets"] == [target]
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    wider = target | {"EcsParameters": ecs_parameters("subnet-1", "subnet-2", key="awsvpcConfiguration")}
    events.put_targets(Rule="nightly", Targets=[wider])
    assert events.list_targets_by_rule(Rule="nightly")["Targets"] == [wider]


def test_a_schedule_keeps_its_network(cloud: Cloud) -> None:
    scheduler = cloud.client("scheduler")
    group = scheduler.create_schedule_group(Name="jobs", Tags=[{"Key": "a", "Value": "b"}])["ScheduleGroupArn"]
    target = {
        "Arn": CLUSTER,
        "RoleArn": ROLE,
        "EcsParameters": ecs_parameters("subnet-1", key="awsvpcConfiguration"),
    }
    window = {"Mode": "OFF"}
    common = {"Name": "job", "GroupName": "jobs", "ScheduleExpression": "rate(1 hour)", "FlexibleTimeWindow": window}
    scheduler.create_schedule(**common, Target=target, State="ENABLED")
    assert [item["Name"] for item in scheduler.list_schedules(GroupName="jobs")["Schedules"]] == ["job"]
    assert scheduler.list_tags_for_resource(ResourceArn=group)["Tags"] == [{"Key": "a", "Value": "b"}]
    wider = target | {"EcsParameters": ecs_parameters("subnet-1", "subnet-2", key="awsvpcConfiguration")}
    scheduler.update_schedule(**common, Target=wider)
    shown = scheduler.get_schedule(Name="job", GroupName="jobs")
    assert shown["State"] == "ENABLED"
    assert shown["Target"]["EcsParameters"] == wider["EcsParameters"]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        scheduler.get_schedule(Name="gone", GroupName="jobs")


def test_prefix_lists_have_entries(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    entries = [{"Cidr": "10.9.0.0/16", "Description": "office"}]
    made = ec2.create_managed_prefix_list(PrefixListName="office", AddressFamily="IPv4", MaxEntries=5, Entries=entries)[
        "PrefixList"
    ]["PrefixListId"]
    assert ec2.get_managed_prefix_list_entries(PrefixListId=made)["Entries"] == entries
    assert made in {item["PrefixListId"] for item in ec2.describe_managed_prefix_lists()["PrefixLists"]}


def test_events_are_put_one_by_one(cloud: Cloud) -> None:
    events = cloud.client("events")
    events.create_event_bus(Name="own")
    good = {"EventBusName": "own", "Source": "me", "DetailType": "Hello", "Detail": "{}"}
    answer = events.put_events(Entries=[good, good | {"Detail": "["}, good | {"Source": "aws.ec2"}])
    codes = [entry.get("ErrorCode", "") for entry in answer["Entries"]]
    assert codes == ["", "MalformedDetail", "NotAuthorizedForSourceException"]
    assert answer["FailedEntryCount"] == 2
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        events.put_events(Entries=[good | {"EventBusName": "gone"}])
    with pytest.raises(ClientError, match="ValidationException"):
        events.put_events(Entries=[good] * 11)


def test_sns_checks_subject_and_message(cloud: Cloud) -> None:
    sns = cloud.client("sns")
    topic = sns.create_topic(Name="people")["TopicArn"]
    sns.publish(TopicArn=topic, Subject="hello", Message="there")
    for wrong in ({"Subject": "x" * 101}, {"Subject": "two\nlines"}, {"Subject": "schön"}, {"Message": ""}):
        with pytest.raises(ClientError, match="InvalidParameter"):
            sns.publish(**{"TopicArn": topic, "Message": "there"} | wrong)
    with pytest.raises(ClientError, match="NotFound"):
        sns.publish(TopicArn=topic + "-gone", Message="there")
    assert [note.message for note in cloud.state(Topics).published] == ["there"]
