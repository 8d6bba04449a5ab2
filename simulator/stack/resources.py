"""The resources of a template that hold state or route events, created on moto as CloudFormation would."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from simulator.aws.dynamodb.time_to_live import start_expiry
from simulator.aws.events.patterns import check_pattern

if TYPE_CHECKING:
    from simulator.cloud import Cloud
    from simulator.stack.template import Resource, Template

QUEUE_ATTRIBUTES = ("VisibilityTimeout", "MessageRetentionPeriod", "DelaySeconds", "ReceiveMessageWaitTimeSeconds")
TABLE_PROPERTIES = (
    "AttributeDefinitions",
    "KeySchema",
    "BillingMode",
    "ProvisionedThroughput",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "StreamSpecification",
)


def create(cloud: Cloud, template: Template) -> None:
    """Create tables, queues, topics, buses, rules and schedules; all else in the template holds no state here."""
    _queues(cloud, template)
    for table in template.resources("AWS::DynamoDB::Table"):
        _table(cloud, table)
    for topic in template.resources("AWS::SNS::Topic"):
        cloud.client("sns").create_topic(Name=topic.identity.name)
    for bus in template.resources("AWS::Events::EventBus"):
        cloud.client("events").create_event_bus(Name=bus.identity.name)
    for rule in template.resources("AWS::Events::Rule"):
        _rule(cloud, rule)
    for schedule in template.resources("AWS::Scheduler::Schedule"):
        _schedule(cloud, schedule)


def _queues(cloud: Cloud, template: Template) -> None:
    sqs = cloud.client("sqs")
    queues = list(template.resources("AWS::SQS::Queue"))
    for queue in queues:
        attributes = {name: str(queue.properties[name]) for name in QUEUE_ATTRIBUTES if name in queue.properties}
        sqs.create_queue(QueueName=queue.identity.name, Attributes=attributes)
    # A dead-letter queue must exist before a queue can name it.
    for queue in queues:
        if policy := queue.properties.get("RedrivePolicy"):
            sqs.set_queue_attributes(QueueUrl=queue.identity.ref, Attributes={"RedrivePolicy": json.dumps(policy)})


def _table(cloud: Cloud, table: Resource) -> None:
    dynamodb = cloud.client("dynamodb")
    known = {name: value for name, value in table.properties.items() if name in TABLE_PROPERTIES}
    dynamodb.create_table(TableName=table.identity.name, **known)
    if expiry := table.properties.get("TimeToLiveSpecification"):
        dynamodb.update_time_to_live(TableName=table.identity.name, TimeToLiveSpecification=expiry)
        if expiry["Enabled"]:
            start_expiry(cloud, table.identity.name, expiry["AttributeName"])


def _rule(cloud: Cloud, rule: Resource) -> None:
    events, properties = cloud.client("events"), rule.properties
    request: dict[str, Any] = {"Name": rule.identity.name, "State": properties.get("State", "ENABLED")}
    if "EventPattern" in properties:
        check_pattern(properties["EventPattern"])
        request["EventPattern"] = json.dumps(properties["EventPattern"])
    bus = properties.get("EventBusName", "default")
    events.put_rule(EventBusName=bus, **request)
    if targets := properties.get("Targets"):
        events.put_targets(Rule=rule.identity.name, EventBusName=bus, Targets=targets)


def _schedule(cloud: Cloud, schedule: Resource) -> None:
    properties = schedule.properties
    cloud.client("scheduler").create_schedule(
        Name=schedule.identity.name,
        ScheduleExpression=properties["ScheduleExpression"],
        FlexibleTimeWindow=properties["FlexibleTimeWindow"],
        Target=properties["Target"],
    )
