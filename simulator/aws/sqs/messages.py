"""Messages of standard queues. For each one sent or received, moto counts all messages of the queue several times.

Queues, their attributes and the messages themselves are moto's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.core.utils import unix_time_millis
from moto.moto_api._internal import mock_random
from moto.sqs.models import Message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.account import Account, Handlers, Params, Parsed

ANSWERED = {"QueueUrl", "MessageBody", "DelaySeconds"}
ENTRY = {"Id", "MessageBody", "DelaySeconds"}
MOST_ENTRIES = 10


def send_message(account: Account, params: Params) -> Parsed | None:
    """SendMessage to a standard queue, without attributes; all others are moto's."""
    name = params["QueueUrl"].rpartition("/")[2]
    if not params.keys() <= ANSWERED or account.backend("sqs").get_queue(name).fifo_queue:
        return None
    message = send(account, name, params["MessageBody"], params.get("DelaySeconds"))
    return {"MD5OfMessageBody": message.body_md5, "MessageId": message.id}


def send_message_batch(account: Account, params: Params) -> Parsed | None:
    """SendMessageBatch to a standard queue, likewise."""
    name, entries = params["QueueUrl"].rpartition("/")[2], params["Entries"]
    names = [entry["Id"] for entry in entries]
    is_plain = all(entry.keys() <= ENTRY for entry in entries)
    if not is_plain or account.backend("sqs").get_queue(name).fifo_queue or len(set(names)) != len(names):
        return None
    if not 0 < len(entries) <= MOST_ENTRIES:
        return None
    sent = [send(account, name, entry["MessageBody"], entry.get("DelaySeconds")) for entry in entries]
    return {
        "Successful": [
            {"Id": identifier, "MessageId": message.id, "MD5OfMessageBody": message.body_md5}
            for identifier, message in zip(names, sent, strict=True)
        ]
    }


def send(account: Account, queue_name: str, body: str, delay_seconds: int | None = None) -> Any:
    """Put a message (moto's) into a standard queue; without `delay_seconds`, the queue's own delay holds."""
    backend = account.backend("sqs")
    queue = backend.get_queue(queue_name)
    backend._validate_message(queue, message_body=body, delay_seconds=delay_seconds or 0)
    message = Message(str(mock_random.uuid4()), body)
    message.mark_sent(delay_seconds=queue.delay_seconds if delay_seconds is None else delay_seconds)
    queue.add_message(message)
    return message


def receive(queue: Any, count: int) -> list[Any]:
    """Receive up to `count` messages (moto's) of a standard queue (moto's), each for the queue's visibility timeout.

    A message that was received as often as the redrive policy allows goes to the dead-letter queue instead.
    """
    now = unix_time_millis()
    kept_since = now - queue.message_retention_period * 1000
    most = queue.redrive_policy["maxReceiveCount"] if queue.dead_letter_queue and queue.redrive_policy else None
    received: list[Any] = []
    for message in list(queue._messages):
        if len(received) == count:
            break
        if now <= message.visible_at or now < message.delayed_until:
            continue
        if message.sent_timestamp <= kept_since:
            queue._messages.remove(message)
        elif most is not None and message.approximate_receive_count >= most:
            queue._messages.remove(message)
            queue.dead_letter_queue.add_message(message)
        else:
            message.mark_received(visibility_timeout=queue.visibility_timeout)
            received.append(message)
    return received


def delete(queue: Any, messages: Iterable[Any]) -> None:
    """Delete messages (moto's) that were received."""
    gone = {message.id for message in messages}
    queue._messages = [message for message in queue._messages if message.id not in gone]


HANDLERS: Handlers = {"sqs:SendMessage": send_message, "sqs:SendMessageBatch": send_message_batch}
