"""EventBridge: PutEvents, rules that match as AWS's do, targets with their input."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.moto_api._internal import mock_random

from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from moto.events.models import EventPattern

    from simulator.account import Account, Handlers, Params

type Event = dict[str, Any]
type Deliver = Callable[[str, str], None]

DEFAULT_BUS = "default"
ENTRIES_LIMIT = 10
SIZE_LIMIT = 1024 * 1024
VARIABLE = re.compile(r"<(?P<name>[\w.-]+)>")


@dataclass
class SeenEvent:
    """An event that came to a bus, and the rules it matched."""

    bus: str
    event: Event
    rules: tuple[str, ...]


class Buses:
    """The event buses of an account; rules and targets are moto's, matching and delivery are here.

    seen: every event so far. deliver: takes a target's ARN and the text of its input; a delayed or duplicated event
    calls it later, or again. on_the_way: events that AWS has yet to put on a bus, and deliveries that a fault delays.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self.seen: list[SeenEvent] = []
        self.deliver: Deliver | None = None
        self.on_the_way = 0

    def put(self, bus: str, event: Event) -> None:
        """Match an event with the rules of a bus and send it to their targets."""
        matched = []
        rules = self._account.backend("events").event_buses[bus].rules
        for rule in rules.values():
            if rule.state == "ENABLED" and rule.event_pattern.get_pattern() and matches(rule.event_pattern, event):
                matched.append(rule.name)
                for target in rule.targets:
                    self._send(target["Arn"], target_input(target, event))
        self.seen.append(SeenEvent(bus, event, tuple(matched)))

    def put_later(self, seconds: float, bus: str, event: Event) -> None:
        """Put an event on a bus after so many seconds; until then it is on the way."""

        def arrive() -> None:
            self.on_the_way -= 1
            self.put(bus, event)

        self.on_the_way += 1
        self._account.clock.after(seconds, arrive)

    def _send(self, arn: str, text: str) -> None:
        deliver = self.deliver
        if deliver is None:
            return

        def arrive() -> None:
            self.on_the_way -= 1
            deliver(arn, text)

        for delay in self._account.faults.deliveries():
            self.on_the_way += 1
            if delay:
                self._account.clock.after(delay, arrive)
            else:
                arrive()


def matches(pattern: EventPattern, event: Event) -> bool:
    """Whether an event matches, by moto's matcher with AWS's rule for arrays of objects.

    AWS looks into arrays of objects, and conditions on one array must hold in one element; moto sees an opaque list.
    """
    wanted = pattern.get_pattern()
    for name in ("source", "detail-type"):
        accepted = wanted.get(name)
        # Most events of a busy account fail here, at no cost.
        if (
            isinstance(accepted, list)
            and all(isinstance(one, str) for one in accepted)
            and event.get(name) not in accepted
        ):
            return False
    return any(pattern.matches_event(variant) for variant in _variants(_mentioned(event, wanted)))


def _mentioned(value: Any, pattern: Any) -> Any:
    """What a pattern looks at, of an event or a part of it: the rest would only multiply its variants."""
    if isinstance(value, list):
        return [_mentioned(item, pattern) for item in value]
    if not isinstance(value, dict) or not isinstance(pattern, dict) or "$or" in pattern:
        return value
    return {key: _mentioned(value[key], pattern[key]) for key in pattern if key in value}


def _variants(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        # What is empty has no leaf: for `exists` it is not there (aws/event-ruler, Event.java).
        keys = [key for key in value if value[key] not in ({}, [])]
        for combination in itertools.product(*(list(_variants(value[key])) for key in keys)):
            yield dict(zip(keys, combination, strict=True))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for item in value:
            yield from _variants(item)
    else:
        yield value


def target_input(target: Mapping[str, Any], event: Event) -> str:
    """The text a target receives: the event, a constant, a part of it, or a transformed one."""
    if "Input" in target:
        return str(target["Input"])
    if path := target.get("InputPath"):
        return json.dumps(_at(event, path))
    if transformer := target.get("InputTransformer"):
        values = {name: _at(event, path) for name, path in transformer.get("InputPathsMap", {}).items()}
        return _filled(transformer["InputTemplate"], values)
    return json.dumps(event)


def _at(event: Event, path: str) -> Any:
    part: Any = event
    for key in filter(None, path.removeprefix("$").split(".")):
        part = part.get(key) if isinstance(part, dict) else None
    return part


def _filled(template: str, values: Mapping[str, Any]) -> str:
    # Outside of quotes EventBridge puts a value in as JSON, inside as text; moto always as text.
    def fill(match: re.Match[str]) -> str:
        if match["name"] not in values:
            return match[0]
        value = values[match["name"]]
        text = value if isinstance(value, str) else json.dumps(value)
        is_quoted = template[: match.start()].count('"') % 2 == 1
        return json.dumps(text)[1:-1] if is_quoted else json.dumps(value)

    return VARIABLE.sub(fill, template)


def complete(account: Account, event: Mapping[str, Any]) -> Event:
    """An event with what EventBridge adds: version, id, account, time and region."""
    return {
        "version": "0",
        "id": str(mock_random.uuid4()),
        "account": account.account_id,
        "time": account.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": account.region,
        "resources": [],
        **event,
    }


def put_events(account: Account, params: Params) -> dict[str, Any]:
    """PutEvents: ten entries at most; each is taken or refused by itself."""
    entries = params["Entries"]
    if not 1 <= len(entries) <= ENTRIES_LIMIT:
        message = (
            "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length "
        )
        raise AwsError("ValidationException", f"{message}less than or equal to {ENTRIES_LIMIT}")
    if sum(_size(entry) for entry in entries) > SIZE_LIMIT:
        raise AwsError("ValidationException", "Total size of the entries in the request is over the limit.")
    answers = [_put_entry(account, entry) for entry in entries]
    return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}


def _size(entry: Mapping[str, Any]) -> int:
    return sum(len(str(entry.get(name, "")).encode()) for name in ("Source", "DetailType", "Detail", "Resources"))


def _put_entry(account: Account, entry: Mapping[str, Any]) -> dict[str, str]:
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            message = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": message}
    if entry["Source"].startswith("aws."):
        return {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."}
    try:
        detail = json.loads(entry["Detail"])
    except ValueError:
        detail = None
    if not isinstance(detail, dict):
        return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    bus = entry.get("EventBusName", DEFAULT_BUS).rpartition("/")[2]
    if bus not in account.backend("events").event_buses:
        raise AwsError("ResourceNotFoundException", f"Event bus {bus} does not exist.")
    if account.faults.refuses_entry():
        return {"ErrorCode": "InternalFailure", "ErrorMessage": "Internal Service Failure"}
    given: dict[str, Any] = {"source": entry["Source"], "detail-type": entry["DetailType"], "detail": detail}
    given["resources"] = list(entry.get("Resources", []))
    if isinstance(time := entry.get("Time"), datetime):
        given["time"] = time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = complete(account, given)
    account.state(Buses).put(bus, event)
    return {"EventId": event["id"]}


HANDLERS: Handlers = {"events:PutEvents": put_events}
