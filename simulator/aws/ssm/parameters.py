"""Parameter Store's events on the default bus; the parameters themselves are moto's.

Source: "Amazon EventBridge event examples for Systems Manager" of the Systems Manager User Guide. AWS sends them on a
best effort basis.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from simulator.aws.events.bus import DEFAULT_BUS, Buses, complete
from simulator.errors import AwsError

if TYPE_CHECKING:
    from simulator.account import Account, Handlers, Params, Parsed

LONGEST = 4096
DELAY = (0.2, 1.5)
"""Seconds until an event is on the bus."""


class ParameterEvents:
    """Draws how long an event takes."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._random = Random(f"{account.seed}:parameter events")

    def send(self, operation: str, parameter: Any) -> None:
        """Put the event of a parameter (moto's) on the bus, shortly after now: Create, Update or Delete."""
        account, name = self._account, parameter.name
        detail = {"operation": operation, "name": name, "type": parameter.parameter_type}
        if parameter.description:
            detail["description"] = parameter.description
        event = {
            "detail-type": "Parameter Store Change",
            "source": "aws.ssm",
            "resources": [f"arn:aws:ssm:{account.region}:{account.account_id}:parameter/{name.lstrip('/')}"],
            "detail": detail,
        }
        account.state(Buses).put_later(self._random.uniform(*DELAY), DEFAULT_BUS, complete(account, event))


def put_parameter(account: Account, params: Params) -> Parsed:
    """PutParameter: a new parameter or a new version of one."""
    if params.get("Tier", "Standard") == "Standard" and len(params["Value"]) > LONGEST:
        raise AwsError(
            "ValidationException",
            f"Standard tier parameters support a maximum parameter value of {LONGEST} characters. To create a larger "
            "parameter value, upgrade the parameter to use the advanced-parameter tier.",
        )
    parameter = account.backend("ssm").put_parameter(
        params["Name"],
        params.get("Description"),
        params["Value"],
        params.get("Type"),
        params.get("AllowedPattern"),
        params.get("KeyId"),
        params.get("Overwrite", False),
        params.get("Tags"),
        params.get("DataType", "text"),
        tier=params.get("Tier"),
        policies=params.get("Policies"),
    )
    account.state(ParameterEvents).send("Create" if parameter.version == 1 else "Update", parameter)
    return {"Version": parameter.version, "Tier": parameter.tier}


def delete_parameter(account: Account, params: Params) -> Parsed:
    """DeleteParameter."""
    backend = account.backend("ssm")
    parameter = backend.get_parameter(params["Name"])
    backend.delete_parameter(params["Name"])
    account.state(ParameterEvents).send("Delete", parameter)
    return {}


def delete_parameters(account: Account, params: Params) -> Parsed:
    """DeleteParameters: those that exist, with an event for each."""
    backend, events = account.backend("ssm"), account.state(ParameterEvents)
    parameters = {name: backend.get_parameter(name) for name in params["Names"]}
    deleted = backend.delete_parameters(params["Names"])
    for name in deleted:
        events.send("Delete", parameters[name])
    invalid = [name for name in params["Names"] if name not in deleted]
    return {"DeletedParameters": deleted, "InvalidParameters": invalid}


HANDLERS: Handlers = {
    "ssm:PutParameter": put_parameter,
    "ssm:DeleteParameter": delete_parameter,
    "ssm:DeleteParameters": delete_parameters,
}
