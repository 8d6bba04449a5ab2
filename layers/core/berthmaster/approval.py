"""Proposals that wait for an operator, and the requests by which operators decide.

A proposal's id is `<automation>.<subject>.<time>`, such as `capacity.vpc-0a1b2c3d4e5f60718.20261122T113000Z`: rules on
the bus route a decision by its first part.
"""

import hashlib
import json
import re
import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from berthmaster.envelope import OPERATOR_SOURCE, Envelope, Name, Parsers
from berthmaster.errors import InvalidEvent
from berthmaster.proposals import Outcome
from berthmaster.requests import Request

STAMP = r"[0-9]{8}T[0-9]{6}Z"
"""The pattern of a time in an id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Request):
    """An operator's decision on a proposal.

    proposal: its id. fingerprint: of the effect that was approved; empty if the operator did not say.
    """

    proposal: str
    outcome: Outcome
    fingerprint: str = ""

    @property
    def detail_type(self) -> str:
        """By which it was made."""
        return f"Proposal {self.outcome.title()}"

    @property
    def subject(self) -> str:
        """The proposal."""
        return self.proposal


class _Detail(Struct):
    proposal: Name
    fingerprint: Name = ""
    by: Name = ""


def stamp(moment: datetime) -> str:
    """A time as it stands in an id; sorts as time does."""
    return f"{moment:%Y%m%dT%H%M%SZ}"


def decision_parsers(automation: str) -> Parsers[Decision]:
    """For `envelope.parse`: decisions on proposals of one automation; InvalidEvent for any other id."""
    proposal_id = re.compile(rf"{automation}\.[\w.-]{{1,200}}\.{STAMP}", re.ASCII)

    def parser(outcome: Outcome, event: Envelope) -> Decision:
        detail = event.as_(_Detail)
        if not proposal_id.fullmatch(detail.proposal):
            raise InvalidEvent("detail.proposal", f"{detail.proposal!r} is not the id of a proposal of {automation}")
        return Decision(
            time=event.at,
            proposal=detail.proposal,
            outcome=outcome,
            fingerprint=detail.fingerprint,
            by=detail.by,
            id=event.id,
        )

    return {
        (OPERATOR_SOURCE, "Proposal Approved"): lambda event: parser(Outcome.APPROVED, event),
        (OPERATOR_SOURCE, "Proposal Rejected"): lambda event: parser(Outcome.REJECTED, event),
    }


def command(bus: str, region: str, detail_type: str, **detail: Any) -> str:
    """The AWS CLI command by which an operator makes a request; can be pasted into a shell as it is."""
    entry = {
        "EventBusName": bus,
        "Source": OPERATOR_SOURCE,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
    }
    return f"aws events put-events --region {region} --entries {shlex.quote(json.dumps([entry]))}"


def fingerprint(effect: Any) -> str:
    """A short hash of what a plan would change: what an approval is bound to.

    effect: values that msgspec can encode. Fields named `reason` do not count: figures in them may change while the
    effect stays the same.
    """
    plain = _without_reasons(msgspec.to_builtins(effect, enc_hook=str))
    return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()[:12]


def _without_reasons(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_reasons(inner) for key, inner in value.items() if key != "reason"}
    if isinstance(value, list | tuple):
        return [_without_reasons(inner) for inner in value]
    return value
