"""SNS: a record of what is published to topics, and queues that subscribe to them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.moto_api._internal import mock_random

from simulator.aws.sqs.messages import send
from simulator.errors import AwsError

if TYPE_CHECKING:
    from simulator.account import Account, Handlers, Params


SUBJECT_LIMIT = 100
MESSAGE_LIMIT = 256 * 1024


@dataclass(frozen=True)
class Notification:
    """One message that subscribers of a topic got."""

    topic: str
    subject: str
    message: str
    at: float


@dataclass(frozen=True)
class Subscription:
    """A queue, by its name, that gets what is published to a topic; is_raw: without an envelope."""

    topic: str
    queue: str
    is_raw: bool = False


class Topics:
    """What was published to the topics of an account, oldest first, and the queues that subscribe to them."""

    def __init__(self, _: Account) -> None:
        self.published: list[Notification] = []
        self.subscriptions: list[Subscription] = []


def publish(account: Account, params: Params) -> dict[str, Any]:
    """Publish to a topic: subject in printable ASCII of at most 100 characters, message of at most 256 KB."""
    topic = params.get("TopicArn") or params.get("TargetArn", "")
    if topic not in account.backend("sns").topics:
        raise AwsError("NotFound", "Topic does not exist", status=404)
    subject, message = params.get("Subject", ""), params["Message"]
    if len(subject) > SUBJECT_LIMIT or not (subject.isascii() and (subject.isprintable() or not subject)):
        raise AwsError("InvalidParameter", "Invalid parameter: Subject")
    if not message:
        raise AwsError("InvalidParameter", "Invalid parameter: Empty message")
    if len(message.encode()) > MESSAGE_LIMIT:
        raise AwsError("InvalidParameter", "Invalid parameter: Message too long")
    topics, identifier = account.state(Topics), str(mock_random.uuid4())
    topics.published.append(Notification(topic, subject, message, account.clock.timestamp()))
    for one in topics.subscriptions:
        if one.topic == topic:
            send(account, one.queue, message if one.is_raw else _envelope(account, identifier, topic, params))
    return {"MessageId": identifier}


def _envelope(account: Account, identifier: str, topic: str, params: Params) -> str:
    """A message as a queue gets it, without its signature; a message without a subject has no such member."""
    subject = {"Subject": params["Subject"]} if "Subject" in params else {}
    time = account.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": identifier,
            "TopicArn": topic,
            **subject,
            "Message": params["Message"],
            "Timestamp": f"{time}Z",
            "SignatureVersion": "1",
        }
    )


HANDLERS: Handlers = {"sns:Publish": publish}
