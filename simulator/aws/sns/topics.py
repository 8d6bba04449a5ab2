"""SNS: a record of what is published to topics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.moto_api._internal import mock_random

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


class Topics:
    """What was published to the topics of an account, oldest first."""

    def __init__(self, _: Account) -> None:
        self.published: list[Notification] = []


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
    account.state(Topics).published.append(Notification(topic, subject, message, account.clock.timestamp()))
    return {"MessageId": str(mock_random.uuid4())}


HANDLERS: Handlers = {"sns:Publish": publish}
