"""Requests of operators: how they are read, and how each of them is answered within a minute.

    Request Accepted   done, or begun: the text says which, and `until` when it should have ended
    Request Refused    nothing is done, and why: a field is wrong, or what the request is about does not allow it
    Request Unknown    it is no request, or names no automation; with the one that may have been meant

Pause and resume have answers of their own (switch). People are notified of every answer. A request may be received
twice, and is then answered twice: no answer asks for anything.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any

from berthmaster import envelope
from berthmaster.envelope import OPERATOR_SOURCE, Envelope, Parsers
from berthmaster.errors import InvalidEvent
from berthmaster.notices import Notice

DETAIL_TYPES = (
    "Proposal Approved",
    "Proposal Rejected",
    "Expand Requested",
    "Retirement Requested",
    "Drain Requested",
    "File Status Requested",
    "Cancel Requested",
    "Replay Requested",
    "Backfill Requested",
    "Security Groups Report Requested",
    "Rule Status Requested",
    "Flow Log Backfill Requested",
    "Restore Requested",
    "Removal Status Requested",
    "Pause Requested",
    "Resume Requested",
)
"""Of all requests to all automations; the rules on the bus name the same."""
AUTOMATIONS = ("batch", "capacity", "security_groups", "targets")
_SELECTING_FIELDS = {
    "Proposal Approved": "proposal",
    "Proposal Rejected": "proposal",
    "Pause Requested": "automation",
    "Resume Requested": "automation",
}
"""The field by whose value the rules find the automation, of requests that several automations have."""
_SUBJECTS = (
    "task",
    "proposal",
    "expansion",
    "vpc",
    "file",
    "key",
    "pipeline",
    "backfill",
    "rule",
    "bucket",
    "automation",
)
"""Fields that say what a request is about."""

RETRIED_AFTER = timedelta(seconds=5)
RETRIED_FOR = timedelta(seconds=30)
"""A request at which AWS still fails so long after it was sent is answered; an attempt may take twenty seconds."""
LONGEST_QUOTE = 200
"""Characters of what an operator wrote that an answer repeats."""
LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What all requests have.

    by: who asks, as the request says. id: of the event, as PutEvents has returned it. time: when it was sent. Requests
    that ask for the same are equal, whatever their events are.
    """

    by: str = ""
    id: str = field(default="", compare=False)
    time: datetime = field(default=LONG_AGO, compare=False)

    @property
    def detail_type(self) -> str:
        """Of the event."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """The id of what it is about; empty if it does not say."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """What it is about, as short as people know it."""
        return self.subject

    @property
    def resources(self) -> tuple[str, ...]:
        """What an answer names as its resources."""
        return ()

    def is_retried(self, now: datetime) -> bool:
        """Whether there is time for another attempt before it must be answered."""
        return abs(now - self.time) < RETRIED_FOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable(Request):
    """A request that cannot be carried out, whatever the state of anything: it is answered.

    problem: what is wrong, with the field. is_unknown: whether it is no request to any automation. hint: what may have
    been meant.
    """

    given_type: str
    given_subject: str
    problem: str
    is_unknown: bool = False
    hint: str = ""

    @property
    def detail_type(self) -> str:
        """As it was given."""
        return self.given_type

    @property
    def subject(self) -> str:
        """As it was given."""
        return self.given_subject

    def answer(self) -> Notice:
        """Request Refused, or Request Unknown."""
        return unknown(self) if self.is_unknown else refused(self, self.problem)


def read[Trigger](body: str | bytes, parsers: Parsers[Trigger]) -> Trigger | Unreadable:
    """Read one event as it comes from the queue; what an operator has sent and is not valid is Unreadable.

    InvalidEvent for any other event that is not valid.
    """
    event = envelope.open_envelope(body)
    try:
        return envelope.parsed(event, parsers)
    except InvalidEvent as error:
        if event.source != OPERATOR_SOURCE and event.detail_type not in DETAIL_TYPES:
            raise
        return _unreadable(event, error)


def _unreadable(event: Envelope, error: InvalidEvent) -> Unreadable:
    detail = event.fields()
    strings = {name: value for name, value in detail.items() if isinstance(value, str)}
    problem, hint = _unknown(event, strings)
    return Unreadable(
        by=_quoted(strings.get("by", "")),
        id=event.id,
        time=event.at,
        given_type=_quoted(event.detail_type),
        given_subject=next((_quoted(strings[name]) for name in _SUBJECTS if name in strings), ""),
        problem=problem or _quoted(str(error), 2 * LONGEST_QUOTE),
        is_unknown=bool(problem),
        hint=hint,
    )


def _unknown(event: Envelope, strings: Mapping[str, str]) -> tuple[str, str]:
    """Why an event is no request to any automation, and what was meant; ("", "") if it is one, with a wrong field."""
    if event.source != OPERATOR_SOURCE:
        return f"its source is {_quoted(event.source)!r}, and that of a request is {OPERATOR_SOURCE}", OPERATOR_SOURCE
    if event.detail_type not in DETAIL_TYPES:
        hint = _closest(event.detail_type, DETAIL_TYPES)
        return f"{_quoted(event.detail_type)!r} is none of the requests: {', '.join(DETAIL_TYPES)}", hint
    name = _SELECTING_FIELDS.get(event.detail_type, "")
    given = strings.get(name)
    if given is None:
        return "", ""
    automation = given.partition(".")[0] if name == "proposal" else given
    if automation in AUTOMATIONS and (name == "automation" or "." in given):
        return "", ""
    hint = _closest(automation, AUTOMATIONS)
    if name == "proposal":
        start = " or ".join(f"{one}." for one in AUTOMATIONS)
        return f"detail.proposal: {_quoted(given)!r} is the id of no proposal, which begins with {start}", hint
    return f"detail.automation: {_quoted(given)!r} is none of {', '.join(AUTOMATIONS)}", hint


def _closest(given: str, known: Sequence[str]) -> str:
    """The one that differs from what was given in case, spaces, order or a few letters; empty if none does."""
    keys = {key: one for one in known for key in (_plain(one), _plain(" ".join(reversed(one.split()))))}
    found = get_close_matches(_plain(given[:LONGEST_QUOTE]), keys, n=1)
    return keys[found[0]] if found else ""


def _plain(text: str) -> str:
    return re.sub(r"\W|_", "", text.casefold())


def _quoted(text: str, limit: int = LONGEST_QUOTE) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"


# Answers


@dataclass(frozen=True, slots=True)
class About:
    """What a request is about, if more is known of that than the request says: its name, and `resources`."""

    name: str = ""
    resources: tuple[str, ...] = ()


NOTHING_MORE = About()


def accepted(request: Request, text: str, *, until: datetime | None = None, about: About = NOTHING_MORE) -> Notice:
    """It was done or begun. text: what, as a sentence without a full stop. until: when it should have ended."""
    ending = f" It should have ended by {until:%H:%M:%S} UTC." if until else ""
    return Notice(
        "Request Accepted",
        {**_named(request), "text": text, "until": until.isoformat(timespec="seconds") if until else None},
        about.resources or request.resources,
        subject=_headline(request, "accepted", about.name),
        text=f"{_sentence(request, about.name)} was accepted: {text}.{ending}",
        group=f"{request.detail_type} accepted",
    )


def refused(request: Request, reason: str, *, about: About = NOTHING_MORE) -> Notice:
    """Nothing of it is done. reason: why, as a sentence without a full stop."""
    return Notice(
        "Request Refused",
        {**_named(request), "reason": reason},
        about.resources or request.resources,
        subject=_headline(request, "refused", about.name),
        text=f"{_sentence(request, about.name)} was refused: {reason}.",
        is_warning=True,
        group=f"{request.detail_type} refused",
    )


def not_done(request: Request, error: Exception) -> Notice:
    """AWS has failed at it as long as there was time to try."""
    return refused(request, f"it was not done, because AWS failed: {_quoted(str(error))}; send it again later")


def unknown(request: Unreadable) -> Notice:
    """It is no request to any automation."""
    hint = f" Did you mean {request.hint}?" if request.hint else ""
    return Notice(
        "Request Unknown",
        {**_named(request), "reason": request.problem, "hint": request.hint},
        subject=f"unknown request: {request.detail_type}",
        text=f"{_sentence(request)} is unknown, and nothing was done: {request.problem}.{hint}",
        is_warning=True,
        group="unknown request",
    )


def _named(request: Request) -> dict[str, Any]:
    return {"request": request.detail_type, "subject": request.subject, "by": request.by, "request_id": request.id}


def _headline(request: Request, answer: str, name: str) -> str:
    shown = name or request.name
    return f"{request.detail_type} {answer}: {shown}" if shown else f"{request.detail_type} {answer}"


def _sentence(request: Request, name: str = "") -> str:
    shown = name or request.name
    subject = f" for {request.subject}" if request.subject else ""
    subject += f" ({shown})" if shown not in request.subject else ""
    return f"{request.detail_type}{subject}, sent by {request.by or 'an operator'},"
