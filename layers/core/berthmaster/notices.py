"""What Berthmaster reports: a log line and an event for each notice, and an e-mail for those that people must read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from berthmaster import metrics
from berthmaster.arn import Arn
from berthmaster.clients import Clients
from berthmaster.envelope import SOURCE
from berthmaster.errors import BerthmasterError, is_transient
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

_ENTRIES_PER_CALL = 10
_BYTES_PER_CALL = 256 * 1024
"""Of all entries together. The service model says 1 MB, older pages say this."""
_TRIES = 3
_SUBJECT_LIMIT = 99
"""Characters of an SNS subject: fewer than 100, of ASCII, without line breaks and control characters."""
_MESSAGE_LIMIT = 250_000
"""Bytes of a message; SNS takes 256 KB."""
_CUT = "\n\n… the rest is in the events"
_SHOWN = 100
"""Notices that one message lists."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One report, to be published.

    detail_type, detail, resources: of the event on the bus. subject, text: of the message to people; without a text,
    people are not notified. The event holds the text too, as `message`, for those who forward events to a chat.
    is_warning: whether its log line is a warning. group: of notices that are published together, those of one group are
    one message to people.
    """

    detail_type: str
    detail: Mapping[str, Any]
    resources: tuple[str, ...] = ()
    subject: str = ""
    text: str = ""
    is_warning: bool = False
    group: str = ""


type _Entry = tuple[Notice, "PutEventsRequestEntryTypeDef"]


class NotPublished(BerthmasterError):
    """Notices that the bus did not accept, in the order they were given."""

    def __init__(self, notices: Sequence[Notice], reason: str) -> None:
        super().__init__(f"the event bus did not accept {len(notices)} events: {reason}")
        self.notices = tuple(notices)


class NotNotified(BerthmasterError):
    """What people must hear of was published, and SNS did not take the message to them."""


class Notices:
    """Publishes notices: to the log, to Berthmaster's event bus, and to the SNS topic that people subscribe to."""

    def __init__(self, clients: Clients, *, bus: str, topic_arn: str = "") -> None:
        """Without a topic, no notice may have a text."""
        self._clients = clients
        self._bus = bus
        self._topic_arn = topic_arn

    def publish(self, notices: Sequence[Notice]) -> list[Notice]:
        """Publish all notices; NotPublished has those that the bus did not accept, which people do not get either.

        Notices that the bus refuses stop no others; a bus that does not answer is not tried with each of them. What is
        on the bus is published, also if SNS does not take the message to people: returns those notices, see `notify`.
        Whoever receives a notice may act on it at once, so save what it says before, marked as unpublished for the run
        after a crash. That something was reported is saved afterwards: to report it again does less harm than never.
        """
        for notice in notices:
            log = logger.warning if notice.is_warning else logger.info
            log(notice.detail_type.lower(), detail=notice.detail)
        refused, reason = self._put_all(notices)
        not_sent = self.notify([one for one in notices if one not in refused])
        if refused:
            raise NotPublished(refused, reason)
        return not_sent

    def notify(self, notices: Iterable[Notice]) -> list[Notice]:
        """Notify people of those that have a text; returns the notices whose messages SNS does not take.

        Those are logged in full and counted in the metric NotificationsFailed, and stop no others.
        """
        not_sent: list[Notice] = []
        for group in _grouped(one for one in notices if one.text):
            try:
                self._send(group)
            except (BotoCoreError, ClientError) as error:
                logger.error("people not notified", error=str(error), texts=[one.text for one in group])
                not_sent += group
        if not_sent:
            metrics.publish({"NotificationsFailed": len(not_sent)})
        return not_sent

    def publish_once(self, notices: Sequence[Notice]) -> None:
        """Publish what cannot be published again, since it is done and no retry would find it.

        What the bus does not accept is logged in full and counted in the metric EventsLost, and raised as `publish`
        does.
        """
        try:
            self.publish(notices)
        except NotPublished as error:
            lost = [{"detail_type": notice.detail_type, "detail": notice.detail} for notice in error.notices]
            logger.error("events lost", error=str(error), events=lost)
            metrics.publish({"EventsLost": len(lost)})
            raise

    def _send(self, group: Sequence[Notice]) -> None:
        """One message; its first line says where, since a person may get those of many accounts and Regions."""
        subject, text = group[0].subject, group[0].text
        if len(group) > 1:
            subject = f"{len(group)} times {group[0].group}"
            more = f"\n\nand {len(group) - _SHOWN} more" if len(group) > _SHOWN else ""
            text = "\n\n".join(one.text for one in group[:_SHOWN]) + more
        topic = Arn.parse(self._topic_arn)
        self._clients.sns.publish(
            TopicArn=self._topic_arn,
            Subject=_one_line(f"Berthmaster: {subject}").encode("ascii", "replace").decode()[:_SUBJECT_LIMIT],
            Message=_cut(f"{_one_line(subject)} (account {topic.account}, {topic.region})\n\n{text}"),
        )

    def _put_all(self, notices: Sequence[Notice]) -> tuple[list[Notice], str]:
        """The notices that the bus refuses in the end, and why."""
        all_refused: list[Notice] = []
        reasons: dict[str, None] = {}
        is_down = False
        for call in _calls([(notice, self._entry(notice)) for notice in notices]):
            refused = call
            if not is_down:
                try:
                    refused, reason = self._put(call)
                except (BotoCoreError, ClientError) as error:
                    reason = str(error)
                    is_down = isinstance(error, BotoCoreError) or is_transient(error)
                reasons |= {reason: None} if refused else {}
            all_refused += [notice for notice, _ in refused]
        return all_refused, "; ".join(reasons)

    def _entry(self, notice: Notice) -> "PutEventsRequestEntryTypeDef":
        detail = {**notice.detail, "message": notice.text} if notice.text else notice.detail
        return {
            "EventBusName": self._bus,
            "Source": SOURCE,
            "DetailType": notice.detail_type,
            "Detail": msgspec.json.encode(detail, enc_hook=str).decode(),
            "Resources": list(notice.resources),
        }

    def _put(self, entries: list[_Entry]) -> tuple[list[_Entry], str]:
        """EventBridge may accept some entries of a call and refuse others, which botocore does not see.

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


def _grouped(notices: Iterable[Notice]) -> Iterable[list[Notice]]:
    """The notices that are one message to people each."""
    groups: dict[str | int, list[Notice]] = {}
    for number, one in enumerate(notices):
        groups.setdefault(one.group or number, []).append(one)
    return groups.values()


def _cut(message: str) -> str:
    """What SNS takes of a message."""
    encoded = message.encode()
    if len(encoded) <= _MESSAGE_LIMIT:
        return message
    return encoded[:_MESSAGE_LIMIT].decode(errors="ignore") + _CUT


def _one_line(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text)


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
