"""What Berthmaster says: events for machines, notifications for people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.clients import Clients
from berthmaster.errors import BerthmasterError, is_transient

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

SOURCE = "berthmaster"
OPERATOR_SOURCE = "berthmaster.operator"
_ENTRIES_PER_CALL = 10
_BYTES_PER_CALL = 256 * 1024
"""Of all entries together. The service model speaks of 1 MB, older pages of this."""
_TRIES = 3
_SNS_SUBJECT_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Event:
    """One decision or need, told on the bus with source `berthmaster`."""

    detail_type: str
    detail: Mapping[str, Any]
    resources: tuple[str, ...] = ()


type _Entry = tuple[Event, "PutEventsRequestEntryTypeDef"]


class Untold(BerthmasterError):
    """Events that the bus did not take, in the order they were given."""

    def __init__(self, events: Sequence[Event], reason: str) -> None:
        super().__init__(f"the event bus did not take {len(events)} events: {reason}")
        self.events = tuple(events)


class Bus:
    """Berthmaster's event bus."""

    def __init__(self, clients: Clients, name: str) -> None:
        self._clients = clients
        self._name = name

    def publish(self, events: Sequence[Event]) -> None:
        """Put all events that the bus takes; Untold then has the others.

        Events that it refuses hinder no others; a bus that does not answer is not tried with each of them. Whether
        another try can tell what was not told is for the caller to know.
        """
        untold: list[Event] = []
        reasons: dict[str, None] = {}
        is_down = False
        for call in _calls([(event, self._entry(event)) for event in events]):
            refused = call
            if not is_down:
                try:
                    refused, reason = self._put(call)
                except (BotoCoreError, ClientError) as error:
                    reason = str(error)
                    is_down = isinstance(error, BotoCoreError) or is_transient(error)
                reasons |= {reason: None} if refused else {}
            untold += [event for event, _ in refused]
        if untold:
            raise Untold(untold, "; ".join(reasons))

    def _entry(self, event: Event) -> "PutEventsRequestEntryTypeDef":
        return {
            "EventBusName": self._name,
            "Source": SOURCE,
            "DetailType": event.detail_type,
            "Detail": msgspec.json.encode(event.detail, enc_hook=str).decode(),
            "Resources": list(event.resources),
        }

    def _put(self, entries: list[_Entry]) -> tuple[list[_Entry], str]:
        """EventBridge may take some entries of a call and refuse others, which botocore does not see.

        Returns those that it refuses in the end, and its error codes.
        """
        codes: set[str] = set()
        for _ in range(_TRIES):
            answer = self._clients.events.put_events(Entries=[entry for _, entry in entries])
            results = list(zip(entries, answer["Entries"], strict=True))
            codes = {result["ErrorCode"] for _, result in results if "ErrorCode" in result}
            entries = [one for one, result in results if "ErrorCode" in result]
            if not entries:
                break
        return entries, ", ".join(sorted(codes))


def _calls(entries: Sequence[_Entry]) -> Iterator[list[_Entry]]:
    """Entries as they go together into one call."""
    call: list[_Entry] = []
    size = 0
    for one in entries:
        if call and (len(call) == _ENTRIES_PER_CALL or size + _size(one) > _BYTES_PER_CALL):
            yield call
            call, size = [], 0
        call.append(one)
        size += _size(one)
    if call:
        yield call


def _size(one: _Entry) -> int:
    """The bytes of an entry, as EventBridge counts them (user guide, "PutEvents event entry size")."""
    _, entry = one
    texts = [entry["Source"], entry["DetailType"], entry["Detail"], *entry["Resources"]]
    return sum(len(text.encode()) for text in texts)


class Notifier:
    """The SNS topic people subscribe to."""

    def __init__(self, clients: Clients, topic_arn: str) -> None:
        self._clients = clients
        self._topic_arn = topic_arn

    def notify(self, subject: str, text: str) -> None:
        """Send one message; the subject is cut to what SNS takes."""
        self._clients.sns.publish(TopicArn=self._topic_arn, Subject=subject[:_SNS_SUBJECT_LIMIT], Message=text)
