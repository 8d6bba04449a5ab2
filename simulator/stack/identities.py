"""What CloudFormation's `Ref` and `Fn::GetAtt` give for a resource: names, URLs and ARNs, known before it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PARTITION = "aws"


@dataclass(frozen=True)
class Place:
    """Where a stack lives."""

    stack: str
    region: str
    account: str

    def arn(self, service: str, resource: str, *, regional: bool = True) -> str:
        """An ARN of this place."""
        return f"arn:{PARTITION}:{service}:{self.region if regional else ''}:{self.account}:{resource}"


@dataclass(frozen=True)
class Identity:
    """What a resource is called, and what other resources may ask of it."""

    name: str
    ref: str
    attributes: dict[str, str]


# The property that names a resource of a type; without one CloudFormation makes a name up.
NAMED_BY = {
    "AWS::SQS::Queue": "QueueName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::CloudWatch::Alarm": "AlarmName",
}


def _queue(place: Place, name: str) -> Identity:
    url = f"https://sqs.{place.region}.amazonaws.com/{place.account}/{name}"
    return Identity(name, url, {"Arn": place.arn("sqs", name), "QueueName": name, "QueueUrl": url})


def _table(place: Place, name: str) -> Identity:
    return Identity(name, name, {"Arn": place.arn("dynamodb", f"table/{name}")})


def _bucket(_: Place, name: str) -> Identity:
    # The name of a bucket has no capitals, and its ARN neither Region nor account.
    return Identity(name.lower(), name.lower(), {"Arn": f"arn:{PARTITION}:s3:::{name.lower()}"})


def _topic(place: Place, name: str) -> Identity:
    arn = place.arn("sns", name)
    return Identity(name, arn, {"TopicArn": arn, "TopicName": name})


def _bus(place: Place, name: str) -> Identity:
    return Identity(name, name, {"Arn": place.arn("events", f"event-bus/{name}"), "Name": name})


def _rule(place: Place, name: str) -> Identity:
    return Identity(name, name, {"Arn": place.arn("events", f"rule/{name}")})


def _function(place: Place, name: str) -> Identity:
    return Identity(name, name, {"Arn": place.arn("lambda", f"function:{name}")})


def _role(place: Place, name: str) -> Identity:
    return Identity(name, name, {"Arn": place.arn("iam", f"role/{name}", regional=False), "RoleId": f"AROA{name}"})


def _log_group(place: Place, name: str) -> Identity:
    return Identity(name, name, {"Arn": place.arn("logs", f"log-group:{name}:*")})


def _schedule(place: Place, name: str) -> Identity:
    return Identity(name, name, {"Arn": place.arn("scheduler", f"schedule/default/{name}")})


def _other(place: Place, name: str) -> Identity:
    return Identity(name, name, {"Arn": place.arn("cloudformation", name)})


def _key(place: Place, name: str) -> Identity:
    return Identity(name, name, {"Arn": place.arn("kms", f"key/{name}"), "KeyId": name})


IDENTITIES: dict[str, Callable[[Place, str], Identity]] = {
    "AWS::SQS::Queue": _queue,
    "AWS::DynamoDB::Table": _table,
    "AWS::S3::Bucket": _bucket,
    "AWS::SNS::Topic": _topic,
    "AWS::Events::EventBus": _bus,
    "AWS::Events::Rule": _rule,
    "AWS::Lambda::Function": _function,
    "AWS::IAM::Role": _role,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::KMS::Key": _key,
}


def identify(place: Place, resource_type: str, name: str) -> Identity:
    """The identity of a resource of this type and name."""
    return IDENTITIES.get(resource_type, _other)(place, name)
