"""Whether an automation may work: its mode may be off, and an operator may pause it at any moment.

A mode is an environment variable, and cannot stop an invocation that runs. A pause is an item in the automation's
table, read before every write to AWS:

    pk switch   sk <automation>   paused, since, requested, by

Events arrive twice and out of order, and their times are whole seconds. A request that is older than the one applied
last has no effect, nor has one of the same second, unless it pauses what that one let resume.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from msgspec import Struct

from berthmaster import metrics
from berthmaster.clock import Clock
from berthmaster.envelope import OPERATOR_SOURCE, Envelope, Name, Parsers
from berthmaster.errors import BerthmasterError, InvalidEvent, code_of
from berthmaster.modes import Mode
from berthmaster.notices import Notice
from berthmaster.requests import LONG_AGO, Request
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

PARTITION = "switch"


class Stopped(BerthmasterError):
    """The automation is off or paused: nothing is written to AWS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchRequest(Request):
    """An operator pauses an automation, or lets it resume."""

    pause: bool
    automation: str = field(default="", compare=False)

    @property
    def detail_type(self) -> str:
        """By which it was made."""
        return "Pause Requested" if self.pause else "Resume Requested"

    @property
    def subject(self) -> str:
        """The automation."""
        return self.automation


class Switch:
    """The switch of one automation."""

    def __init__(self, dynamodb: "DynamoDBClient", clock: Clock, *, table: str, automation: str, mode: Mode) -> None:
        self._dynamodb = dynamodb
        self._clock = clock
        self._table = table
        self._automation = automation
        self._mode = mode
        self._key: dict[str, AttributeValueTypeDef] = {"pk": {"S": PARTITION}, "sk": {"S": automation}}

    def reason(self) -> str:
        """Why nothing may be done, empty if it may; one consistent read."""
        if self._mode is Mode.OFF:
            return "the mode is off"
        item = self._item()
        if item is None or not item["paused"]["BOOL"]:
            return ""
        return f"{self._automation} has been paused by {_by(item)} since {_since(item):%Y-%m-%d %H:%M} UTC"

    def resumed_at(self) -> datetime:
        """When an operator last let it resume: work that was begun before had to wait until then.

        Long ago if nobody ever did, and while it is paused.
        """
        item = self._item()
        return LONG_AGO if item is None or item["paused"]["BOOL"] else _since(item)

    def check(self) -> None:
        """Raise Stopped if nothing may be done; called before every write to AWS."""
        if reason := self.reason():
            raise Stopped(reason)

    def leave_unfinished(self, what: str) -> None:
        """Record that work which was begun is not continued because the mode is off; an alarm watches the metric."""
        if self._mode is Mode.OFF:
            logger.warning("left unfinished: the mode is off", work=what)
            metrics.publish({"UnfinishedWork": 1})

    def apply(self, request: SwitchRequest) -> Notice:
        """Pause or resume, unless a newer request was applied before; returns what to answer."""
        item = self._put(request)
        done = "Paused" if item["paused"]["BOOL"] else "Resumed"
        text = f"{self._automation} was {done.lower()} by {_by(item)}."
        if request.pause is not item["paused"]["BOOL"]:
            text += f" A {request.detail_type} that was sent before, or in the same second, has no effect."
        if self._mode is Mode.OFF:
            text += " Its mode is off: it does nothing either way."
        return Notice(
            f"Automation {done}",
            {"automation": self._automation, "by": item["by"]["S"], "request_id": request.id},
            subject=f"{self._automation} {done.lower()}",
            text=text,
        )

    def _put(self, request: SwitchRequest) -> "Mapping[str, AttributeValueTypeDef]":
        """Write the request if it is the newest; returns the item as it is then."""
        requested: AttributeValueTypeDef = {"N": f"{request.time.timestamp():.3f}"}
        item: dict[str, AttributeValueTypeDef] = {
            **self._key,
            "paused": {"BOOL": request.pause},
            "since": {"N": f"{self._clock.now().timestamp():.0f}"},
            "requested": requested,
            "by": {"S": request.by},
        }
        newest = "attribute_not_exists(pk) OR requested < :requested"
        values: dict[str, AttributeValueTypeDef] = {":requested": requested}
        if request.pause:
            newest += " OR (requested = :requested AND paused = :no)"
            values[":no"] = {"BOOL": False}
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression=newest,
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            newer: Mapping[str, AttributeValueTypeDef] = error.response["Item"]  # type: ignore[typeddict-item]
            return newer
        return item

    def _item(self) -> "Mapping[str, AttributeValueTypeDef] | None":
        return self._dynamodb.get_item(TableName=self._table, Key=self._key, ConsistentRead=True).get("Item")


def _since(item: "Mapping[str, AttributeValueTypeDef]") -> datetime:
    return datetime.fromtimestamp(float(item["since"]["N"]), UTC)


def _by(item: "Mapping[str, AttributeValueTypeDef]") -> str:
    return item["by"]["S"] or "an operator"


class _Detail(Struct):
    automation: Name
    by: Name = ""


def switch_parsers(automation: str) -> Parsers[SwitchRequest]:
    """For `envelope.parse`: requests to pause or resume one automation; InvalidEvent for another."""

    def parser(event: Envelope, *, pause: bool) -> SwitchRequest:
        detail = event.as_(_Detail)
        if detail.automation != automation:
            raise InvalidEvent("detail.automation", f"{detail.automation!r} is not {automation}")
        return SwitchRequest(pause=pause, automation=automation, by=detail.by, id=event.id, time=event.at)

    return {
        (OPERATOR_SOURCE, "Pause Requested"): lambda event: parser(event, pause=True),
        (OPERATOR_SOURCE, "Resume Requested"): lambda event: parser(event, pause=False),
    }
