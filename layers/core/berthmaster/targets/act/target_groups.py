"""RegisterTargets and DeregisterTargets: two hundred targets a call, and what AWS refuses told from what it accepts."""

from collections.abc import Callable, Sequence
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.errors import code_of, is_final
from berthmaster.pace import Pace
from berthmaster.targets.act.results import CallResults
from berthmaster.targets.model import Call, Destination, Finding, Move, TargetGroup, no_room

if TYPE_CHECKING:
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client

TARGETS_PER_CALL = 200
"""What the AWS Load Balancer Controller sends, too; AWS documents no limit."""
SPLITS = 20
"""Calls spent on finding the targets that AWS will not take; the rest is tried again later."""

type Send = Callable[[Sequence[Move]], object]


def call_target_group(
    elbv2: "ElasticLoadBalancingv2Client", destination: Destination, call: Call, moves: Sequence[Move], pace: Pace
) -> CallResults:
    """Make one kind of call for all moves on one target group, oldest first."""
    group = destination.body
    assert isinstance(group, TargetGroup)  # noqa: S101 - chosen by kind

    def send(part: Sequence[Move]) -> object:
        pace.wait()
        if call is Call.REGISTER:
            return elbv2.register_targets(
                TargetGroupArn=destination.arn, Targets=[_described(group, move) for move in part]
            )
        return elbv2.deregister_targets(TargetGroupArn=destination.arn, Targets=[_named(move) for move in part])

    answers = CallResults()
    for part in batched(moves, TARGETS_PER_CALL, strict=False):
        answers.add(_Sender(destination, call, send).send(part))
    return answers


def _named(move: Move) -> Any:
    return {"Id": move.after.key.ip, "Port": move.after.key.port}


def _described(group: TargetGroup, move: Move) -> Any:
    """A target as RegisterTargets wants it; a zone is demanded outside of the target group's VPC, and only there."""
    if group.contains(move.after.key.ip):
        return _named(move)
    # An Application Load Balancer without cross-zone balancing must know the real zone; AWS refuses "all" there.
    is_zonal = not group.is_network and group.cross_zone is False
    zone = move.endpoint.address.zone if is_zonal and move.endpoint else ""
    return {**_named(move), "AvailabilityZone": zone or "all"}


class _Sender:
    """Sends one batch, in ever smaller parts if AWS refuses it for the sake of some."""

    def __init__(self, destination: Destination, call: Call, send: Send) -> None:
        self._destination = destination
        self._call = call
        self._send = send
        self._calls = 0
        self._answers = CallResults()

    def send(self, moves: Sequence[Move]) -> CallResults:
        self._try(list(moves))
        return self._answers

    def _try(self, moves: list[Move]) -> None:
        if not moves:
            return
        self._calls += 1
        try:
            self._send(moves)
        except (BotoCoreError, TimeoutError) as error:
            self._fail(moves, error)
        except ClientError as error:
            self._answer(moves, error)
        else:
            self._answers.done += moves

    def _answer(self, moves: list[Move], error: ClientError) -> None:
        code = code_of(error)
        if code == "TargetGroupNotFound" and self._call is Call.DEREGISTER:
            self._answers.done += moves
        elif not is_final(error) or (self._call is Call.DEREGISTER):
            self._fail(moves, error)
        elif code == "TargetGroupNotFound":
            self._refuse(moves, Finding(destination=self._destination.arn, code="gone", text="it no longer exists"))
        elif code == "TooManyTargets":
            self._squeeze(moves)
        else:
            self._part(moves, error)

    def _squeeze(self, moves: list[Move]) -> None:
        """Find how many fit, the first ones first."""
        if len(moves) == 1 or self._calls >= SPLITS:
            self._refuse(moves, no_room(self._destination.arn))
            return
        half = len(moves) // 2
        done_before = len(self._answers.done)
        self._try(moves[:half])
        if len(self._answers.done) == done_before + half:
            self._try(moves[half:])
        else:
            self._refuse(moves[half:], no_room(self._destination.arn))

    def _part(self, moves: list[Move], error: ClientError) -> None:
        """Tell the targets that AWS does not take from those it would: by its own words, or by halves."""
        message = error.response.get("Error", {}).get("Message", "")
        if len(moves) == 1:
            target = moves[0].after.key
            text = f"AWS does not take {target.ip}:{target.port}: {code_of(error)}: {message}"
            self._refuse(moves, Finding(destination=self._destination.arn, code="refused", text=text))
        elif self._calls >= SPLITS:
            self._fail(moves, error)
        else:
            named = [move for move in moves if f"'{move.after.key.ip}'" in message]
            first = named if 0 < len(named) < len(moves) else moves[: len(moves) // 2]
            refused = {move.after.key for move in first}
            self._try([move for move in moves if move.after.key not in refused])
            self._try(first)

    def _refuse(self, moves: Sequence[Move], finding: Finding) -> None:
        self._answers.refused += moves
        self._answers.find(finding)

    def _fail(self, moves: Sequence[Move], error: Exception) -> None:
        self._answers.failed += moves
        self._answers.errors.append(error)
