"""The resources of a template that hold state or route events, made in moto's state as CloudFormation makes them.

By moto's own functions and not by calls of an API: those would take most of the time that a test takes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from moto.dynamodb.models.table import Table

from simulator.aws.dynamodb.time_to_live import start_expiry
from simulator.aws.events.patterns import check_pattern
from simulator.aws.s3.buckets import backend
from simulator.aws.sns.topics import Subscription, Topics

if TYPE_CHECKING:
    from simulator.cloud import Cloud
    from simulator.stack.template import Resource, Template

QUEUE_ATTRIBUTES = ("VisibilityTimeout", "MessageRetentionPeriod", "DelaySeconds", "ReceiveMessageWaitTimeSeconds")


def create(cloud: Cloud, template: Template) -> None:
    """Create what holds state or routes events; all else in the template is nothing here."""
    _queues(cloud, template)
    for table in template.resources("AWS::DynamoDB::Table"):
        _table(cloud, table)
    for bucket in template.resources("AWS::S3::Bucket"):
        _bucket(cloud, bucket)
    for topic in template.resources("AWS::SNS::Topic"):
        cloud.backend("sns").create_topic(topic.identity.name)
    for subscription in template.resources("AWS::SNS::Subscription"):
        _subscription(cloud, subscription)
    for bus in template.resources("AWS::Events::EventBus"):
        cloud.backend("events").create_event_bus(bus.identity.name)
    for rule in template.resources("AWS::Events::Rule"):
        _rule(cloud, rule)
    for schedule in template.resources("AWS::Scheduler::Schedule"):
        _schedule(cloud, schedule)


def _queues(cloud: Cloud, template: Template) -> None:
    sqs = cloud.backend("sqs")
    queues = list(template.resources("AWS::SQS::Queue"))
    for queue in queues:
        attributes = {name: queue.properties[name] for name in QUEUE_ATTRIBUTES if name in queue.properties}
        sqs.create_queue(queue.identity.name, **attributes)
    # A dead-letter queue must exist before a queue can name it.
    for queue in queues:
        if policy := queue.properties.get("RedrivePolicy"):
            sqs.set_queue_attributes(queue.identity.name, {"RedrivePolicy": json.dumps(policy)})


def _table(cloud: Cloud, table: Resource) -> None:
    name = table.identity.name
    resource = {"Properties": table.properties}
    Table.create_from_cloudformation_json(name, resource, cloud.account_id, cloud.region)
    if expiry := table.properties.get("TimeToLiveSpecification"):
        cloud.backend("dynamodb").update_time_to_live(name, expiry)
        if expiry["Enabled"]:
            start_expiry(cloud, name, expiry["AttributeName"])


def _bucket(cloud: Cloud, bucket: Resource) -> None:
    s3 = backend(cloud)
    s3.create_bucket(bucket.identity.name, cloud.region)
    if versioning := bucket.properties.get("VersioningConfiguration"):
        s3.put_bucket_versioning(bucket.identity.name, versioning["Status"])


def _subscription(cloud: Cloud, subscription: Resource) -> None:
    """Of a queue; other subscribers, such as people, are not there."""
    properties = subscription.properties
    if properties["Protocol"] == "sqs":
        queue = properties["Endpoint"].rpartition(":")[2]
        is_raw = str(properties.get("RawMessageDelivery", False)).lower() == "true"
        cloud.state(Topics).subscriptions.append(Subscription(properties["TopicArn"], queue, is_raw))


def _rule(cloud: Cloud, rule: Resource) -> None:
    events, properties = cloud.backend("events"), rule.properties
    bus = properties.get("EventBusName", "default")
    if "EventPattern" in properties:
        check_pattern(properties["EventPattern"])
    events.put_rule(
        rule.identity.name,
        event_pattern=json.dumps(properties["EventPattern"]) if "EventPattern" in properties else None,
        scheduled_expression=properties.get("ScheduleExpression"),
        state=properties.get("State", "ENABLED"),
        event_bus_arn=bus,
    )
    if targets := properties.get("Targets"):
        events.put_targets(rule.identity.name, bus, targets)


def _schedule(cloud: Cloud, schedule: Resource) -> None:
    properties = schedule.properties
    cloud.backend("scheduler").create_schedule(
        name=schedule.identity.name,
        group_name="default",
        description=properties.get("Description", ""),
        schedule_expression=properties["ScheduleExpression"],
        schedule_expression_timezone="UTC",
        flexible_time_window=properties["FlexibleTimeWindow"],
        state=properties.get("State", "ENABLED"),
        target=properties["Target"],
        kms_key_arn=None,
        start_date=None,
        end_date=None,
        action_after_completion=None,
    )
