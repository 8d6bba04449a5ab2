"""Calls that change EC2, as EventBridge gets them from CloudTrail minutes later, if the account has a trail.

Names begin with small letters, and a list is `{"items": [...]}`, or `{}` if it is empty.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from simulator.aws.ec2 import interfaces, ipv6, prefix_lists, security_group_rules, security_groups
from simulator.aws.events.api_calls import api_called, called_by, principal
from simulator.aws.events.bus import DEFAULT_BUS, Buses, complete

if TYPE_CHECKING:
    from simulator.account import Account, Params, Parsed, Patch, Patches

DELAY = (5.0, 240.0)
"""Seconds. AWS promises none; most events come within a few minutes."""
OPERATIONS = (
    *("ec2:CreateSecurityGroup", "ec2:ModifyNetworkInterfaceAttribute", "ec2:ModifyInstanceAttribute"),
    *(
        name
        for module in (interfaces, ipv6, prefix_lists, security_group_rules, security_groups)
        for name in module.HANDLERS
        if not name.startswith(("ec2:Describe", "ec2:Get"))
    ),
)


class Trail:
    """Whether the account has a trail, which is what sends calls to EventBridge."""

    def __init__(self, account: Account) -> None:
        self.is_on = False
        self.rng = Random(f"{account.seed}:trail")


def _recorded(operation: str) -> Patch:
    def record(account: Account, params: Params, response: Parsed) -> None:
        trail = account.state(Trail)
        if not trail.is_on:
            return
        answer = {name: value for name, value in response.items() if name != "ResponseMetadata"}
        event = api_called(
            account,
            operation,
            requestParameters=_shown(params),
            responseElements=_shown(answer),
            **called_by(account, principal(account)),
        )
        account.state(Buses).put_later(trail.rng.uniform(*DELAY), DEFAULT_BUS, complete(account, event))

    return record


def _shown(value: Any) -> Any:
    if isinstance(value, list):
        return {"items": [_shown(one) for one in value]} if value else {}
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: _shown(inner) for name, inner in value.items()}
    return value


PATCHES: Patches = {name: _recorded(name.removeprefix("ec2:")) for name in OPERATIONS}
