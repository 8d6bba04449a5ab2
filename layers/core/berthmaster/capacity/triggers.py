"""What capacity_expand receives: signs of a shortage, requests of operators, and expansions to resume.

Each EventBridge event becomes one trigger; what is missing or mistyped raises InvalidEvent with the field.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from berthmaster import envelope, requests
from berthmaster.approval import STAMP, Decision, decision_parsers
from berthmaster.capacity.aws_events import AWS_EVENTS, SubnetId, VpcId
from berthmaster.capacity.ledger.expansions import ExpansionState
from berthmaster.capacity.model.shortage import Cause, Shortage, Shortages
from berthmaster.capacity.model.tags import AUTOMATION
from berthmaster.envelope import OPERATOR_SOURCE, SOURCE, Envelope, Name, Parsers
from berthmaster.errors import InvalidEvent
from berthmaster.requests import Request, Unreadable
from berthmaster.switch import SwitchRequest, switch_parsers

RESUME = "Resume Expansion"
"""The detail type of the command by which capacity_expand continues an expansion later."""

RESUME_WIRING = "Resume Wiring"
"""The same for an expansion whose subnets are proved, and for all such expansions of its VPC."""

ExpansionId = Annotated[str, Meta(pattern=rf"^vpc-[0-9a-f]{{8,17}}\.{STAMP}$")]
Addresses = Annotated[int, Meta(ge=1, le=65_531)]

_PROPOSAL = re.compile(rf"{AUTOMATION}\.vpc-[0-9a-f]{{8,17}}\.{STAMP}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandRequest(Request):
    """An operator wants addresses: so many for `subnet_id`, or as many as the forecast says."""

    vpc_id: str
    subnet_id: str = ""
    addresses: int = 0

    @property
    def detail_type(self) -> str:
        """Of the event."""
        return "Expand Requested"

    @property
    def subject(self) -> str:
        """The VPC."""
        return self.vpc_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement(Request):
    """An operator wants an expansion undone. drain: also if tasks are in its subnets, which move first."""

    expansion_id: str
    drain: bool = False

    @property
    def detail_type(self) -> str:
        """Of the event."""
        return "Retirement Requested"

    @property
    def subject(self) -> str:
        """The expansion."""
        return self.expansion_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """An expansion that was begun must be continued. is_wiring: whether workloads are to be given its subnets."""

    expansion_id: str
    is_wiring: bool = False


type VpcRequest = ExpandRequest | Decision | Retirement
"""Requests about one VPC."""
type Trigger = Shortage | Shortages | VpcRequest | Resumption | SwitchRequest


def parse(body: str | bytes) -> Trigger:
    """Read one EventBridge event as it comes from the queue; InvalidEvent if it is not valid."""
    return envelope.parse(body, PARSERS)


def read(body: str | bytes) -> Trigger | Unreadable:
    """As `parse`, with what an operator has sent as Unreadable if it is not valid."""
    return requests.read(body, PARSERS)


class _ShortSubnet(Struct):
    subnet: SubnetId


class _RoomNeeded(Struct):
    vpc: VpcId
    subnets: list[_ShortSubnet]


def _room_needed(event: Envelope) -> Shortage:
    detail = event.as_(_RoomNeeded)
    return Shortage(
        source=event.origin,
        time=event.at,
        cause=Cause.ADDRESSES,
        vpc_id=detail.vpc,
        subnet_ids=tuple(short.subnet for short in detail.subnets),
    )


class _Unfinished(Struct):
    expansion: ExpansionId


def _resumption(event: Envelope) -> Resumption:
    return Resumption(expansion_id=event.as_(_Unfinished).expansion)


def _wiring_resumption(event: Envelope) -> Resumption:
    return Resumption(expansion_id=event.as_(_Unfinished).expansion, is_wiring=True)


class _Stalled(_Unfinished):
    state: str = ""


def _stalled(event: Envelope) -> Resumption:
    detail = event.as_(_Stalled)
    return Resumption(expansion_id=detail.expansion, is_wiring=detail.state == ExpansionState.WIRING)


class _Expand(Struct):
    vpc: VpcId
    subnet: SubnetId | UnsetType = UNSET
    addresses: Addresses | UnsetType = UNSET
    by: Name = ""


def _expand_request(event: Envelope) -> ExpandRequest:
    detail = event.as_(_Expand)
    if detail.addresses is not UNSET and detail.subnet is UNSET:
        raise InvalidEvent("detail.subnet", "is needed with `addresses`: it says which subnet they are for")
    return ExpandRequest(
        vpc_id=detail.vpc,
        subnet_id="" if detail.subnet is UNSET else detail.subnet,
        addresses=0 if detail.addresses is UNSET else detail.addresses,
        by=detail.by,
        id=event.id,
        time=event.at,
    )


class _Retire(Struct):
    expansion: ExpansionId
    drain: bool = False
    by: Name = ""


def _retirement(event: Envelope) -> Retirement:
    detail = event.as_(_Retire)
    return Retirement(expansion_id=detail.expansion, drain=detail.drain, by=detail.by, id=event.id, time=event.at)


def _decision_on_an_expansion(parser: Callable[[Envelope], Decision]) -> Callable[[Envelope], Decision]:
    def parse_decision(event: Envelope) -> Decision:
        decision = parser(event)
        if not _PROPOSAL.fullmatch(decision.proposal):
            raise InvalidEvent("detail.proposal", f"{decision.proposal!r} is not the id of an expansion's proposal")
        return decision

    return parse_decision


PARSERS: Parsers[Trigger] = {
    **AWS_EVENTS,
    (SOURCE, "Room Needed"): _room_needed,
    (SOURCE, "Expansion Stalled"): _stalled,
    (SOURCE, RESUME): _resumption,
    (SOURCE, RESUME_WIRING): _wiring_resumption,
    **{event: _decision_on_an_expansion(parser) for event, parser in decision_parsers(AUTOMATION).items()},
    (OPERATOR_SOURCE, "Expand Requested"): _expand_request,
    (OPERATOR_SOURCE, "Retirement Requested"): _retirement,
    **switch_parsers(AUTOMATION),
}
