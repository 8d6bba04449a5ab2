"""The dispatcher: one invocation at a time launches, and none that was to look for files is forgotten.

pk dispatcher   sk turn
owner, until    the invocation that launches, and until when at the latest; `until` is 0 if it has ended
asked           another invocation was to launch meanwhile: the owner looks for files once more before it ends
body            what the next one has to know (`model.dispatcher.Dispatcher`)
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.batch.model.dispatcher import LONG_AGO, Dispatcher
from berthmaster.errors import code_of
from berthmaster.items import decoded, encoded
from berthmaster.lease import Leases

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LONGEST_TURN = timedelta(minutes=15) + Leases.MARGIN
"""Lambda ends every invocation by then."""

_KEY: Any = {"pk": {"S": "dispatcher"}, "sk": {"S": "turn"}}
_NAMES = {"#owner": "owner", "#until": "until"}


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to launch.

    known: as the last turn has left it. lost_since: the last owner died, and what it has launched since then is not
    known; None if it ended its turn.
    """

    owner: str
    known: Dispatcher
    lost_since: datetime | None


class Turns:
    """Gives turns by a ledger table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def begin(self, *, owner: str, now: datetime, deadline: datetime) -> Turn | None:
        """Take the turn, or ask the invocation that has it to look for files once more, and return None.

        If the owner ends between the two, the turn is tried again; who is overtaken then by another one need not ask,
        since that one has begun later than the files were written.
        """
        return self._take(owner, now, deadline) or (None if self._ask(now) else self._take(owner, now, deadline))

    def look(self) -> Dispatcher:
        """What is known, as it was when the last turn ended."""
        answer = self._dynamodb.get_item(TableName=self._table, Key=_KEY, ConsistentRead=True)
        return _known(answer.get("Item", {}))

    def end(self, turn: Turn, known: Dispatcher) -> bool:
        """End the turn, unless another invocation has asked meanwhile: then False, and the turn goes on."""
        ended, item = self._end(turn, known, "AND attribute_not_exists(asked)")
        if ended or not _is_of(item, turn):
            return True
        self._update(
            "REMOVE asked",
            "#owner = :owner",
            {":owner": {"S": turn.owner}},
            ExpressionAttributeNames={"#owner": "owner"},
        )
        return False

    def leave(self, turn: Turn, known: Dispatcher) -> None:
        """End the turn, also if another invocation has asked: the caller sends a message for it."""
        self._end(turn, known, "")

    def _take(self, owner: str, now: datetime, deadline: datetime) -> Turn | None:
        until = deadline + Leases.MARGIN
        taken, old = self._update(
            "SET #owner = :owner, #until = :until REMOVE asked",
            "attribute_not_exists(#until) OR #until < :now OR #owner = :owner",
            {":owner": {"S": owner}, ":until": _number(until), ":now": _number(now)},
            ReturnValues="ALL_OLD",
            ExpressionAttributeNames=_NAMES,
        )
        if not taken:
            return None
        has_died = bool(old) and _moment(old["until"]) > LONG_AGO and old["owner"]["S"] != owner
        return Turn(owner, _known(old), _moment(old["until"]) - LONGEST_TURN if has_died else None)

    def _ask(self, now: datetime) -> bool:
        asked, _ = self._update(
            "SET asked = :yes",
            "#until >= :now",
            {":yes": {"BOOL": True}, ":now": _number(now)},
            ExpressionAttributeNames={"#until": "until"},
        )
        return asked

    def _end(self, turn: Turn, known: Dispatcher, condition: str) -> tuple[bool, Any]:
        body = encoded(known)
        ended, item = self._update(
            "SET #until = :over, body = :body, #schema = :schema",
            f"#owner = :owner {condition}",
            {
                ":owner": {"S": turn.owner},
                ":over": _number(LONG_AGO),
                ":body": body["body"],
                ":schema": body["schema"],
            },
            ExpressionAttributeNames={**_NAMES, "#schema": "schema"},
        )
        return ended, item

    def _update(self, expression: str, condition: str, values: Any, **more: Any) -> tuple[bool, Any]:
        """Whether the condition held; and the item as it was, if it did not or `ReturnValues` asks for it."""
        try:
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key=_KEY,
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **more,
            )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            return False, error.response.get("Item", {})
        return True, answer.get("Attributes", {})


def _is_of(item: Any, turn: Turn) -> bool:
    """Whether the turn still goes on, by the item of the ledger."""
    return bool(item) and item["owner"]["S"] == turn.owner and _moment(item["until"]) > LONG_AGO


def _known(item: Any) -> Dispatcher:
    return decoded({**_KEY, **item}, Dispatcher) if "body" in item else Dispatcher()


def _number(moment: datetime) -> Any:
    return {"N": f"{moment.timestamp():.3f}"}


def _moment(attribute: Any) -> datetime:
    return datetime.fromtimestamp(float(attribute["N"]), UTC)
