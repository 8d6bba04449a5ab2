"""What Berthmaster says: events for machines, notifications for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING, Any

import msgspec

from berthmaster.clients import Clients
from berthmaster.errors import BerthmasterError

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

SOURCE = "berthmaster"
OPERATOR_SOURCE = "berthmaster.operator"
_ENTRIES_PER_CALL = 10
_TRIES = 3
_SNS_SUBJECT_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Event:
    """One decision or need, told on the bus with source `berthmaster`."""

    detail_type: str
    detail: Mapping[str, Any]
    resources: tuple[str, ...] = ()


class Bus:
    """Berthmaster's event bus."""

    def __init__(self, clients: Clients, name: str) -> None:
        self._clients = clients
        self._name = name

    def publish(self, events: Sequence[Event]) -> None:
        """Put all events; raises if the bus took fewer than all, so that the invocation is retried."""
        for batch in batched(events, _ENTRIES_PER_CALL, strict=False):
            self._put(
                [
                    {
                        "EventBusName": self._name,
                        "Source": SOURCE,
                        "DetailType": event.detail_type,
                        "Detail": msgspec.json.encode(event.detail, enc_hook=str).decode(),
                        "Resources": list(event.resources),
                    }
                    for event in batch
                ]
            )

    def _put(self, entries: Sequence["PutEventsRequestEntryTypeDef"]) -> None:
        """EventBridge may take some entries of a call and refuse others, which botocore does not see."""
        for _ in range(_TRIES):
            answer = self._clients.events.put_events(Entries=entries)
            results = zip(entries, answer["Entries"], strict=True)
            refused = [(entry, result["ErrorCode"]) for entry, result in results if "ErrorCode" in result]
            if not refused:
                return
            entries = [entry for entry, _ in refused]
        codes = sorted({code for _, code in refused})
        raise BerthmasterError(f"the event bus refused {len(refused)} events: {codes}")


class Notifier:
    """The SNS topic people subscribe to."""

    def __init__(self, clients: Clients, topic_arn: str) -> None:
        self._clients = clients
        self._topic_arn = topic_arn

    def notify(self, subject: str, text: str) -> None:
        """Send one message; the subject is cut to what SNS takes."""
        self._clients.sns.publish(TopicArn=self._topic_arn, Subject=subject[:_SNS_SUBJECT_LIMIT], Message=text)
