"""RegisterInstance and DeregisterInstance: one instance a call, and each call only begins an operation."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.concurrently import concurrently, results_of
from berthmaster.errors import code_of, is_final
from berthmaster.pace import CALLS_AT_ONCE
from berthmaster.targets.act.permit import DENIED, Permit
from berthmaster.targets.act.results import Begun, CallResults
from berthmaster.targets.model import (
    Call,
    Claim,
    Destination,
    DiscoveryService,
    Finding,
    Move,
    deleted,
    instance_id,
    quota_reached,
)

if TYPE_CHECKING:
    from mypy_boto3_servicediscovery import ServiceDiscoveryClient

AT_ONCE = 8
"""AWS allows 50 calls a second, which so many threads just reach: a call takes 20 to 200 ms."""
IN_FLIGHT = frozenset({"DuplicateRequest", "ResourceInUse"})
NOT_FOUND = frozenset({"InstanceNotFound", "ServiceNotFound"})


def call_cloud_map(
    discovery: "ServiceDiscoveryClient",
    destinations: Mapping[str, Destination],
    moves: Sequence[Move],
    permit: Permit,
) -> CallResults:
    """Make the call of each move on Cloud Map services, several at a time and in order."""
    denied = CallResults()

    def permitted() -> Iterator[Move]:
        for index in range(0, len(moves), CALLS_AT_ONCE):
            part = moves[index : index + CALLS_AT_ONCE]
            try:
                permit.wait(len(part))
            except DENIED as error:
                denied.fail(moves[index:], error)
                return
            yield from part

    def make(move: Move) -> CallResults:
        return _call(discovery, destinations[move.after.key.destination], permit, move)

    results = CallResults()
    for one in results_of(concurrently(make, permitted(), at_once=AT_ONCE)):
        results.add(one)
    results.add(denied)
    return results


def _call(discovery: "ServiceDiscoveryClient", destination: Destination, permit: Permit, move: Move) -> CallResults:
    results = CallResults()
    try:
        # It may have waited for slow calls since it was permitted.
        permit.check()
    except DENIED as error:
        results.fail([move], error)
        return results
    try:
        operation = (
            _register(discovery, destination, move)
            if move.call is Call.REGISTER
            else _deregister(discovery, destination, move)
        )
    except BotoCoreError as error:
        results.fail([move], error)
    except ClientError as error:
        _sort(results, destination, move, error)
    else:
        results.begun.append(Begun(move, operation))
    return results


def _register(discovery: "ServiceDiscoveryClient", destination: Destination, move: Move) -> str:
    service, claim, one = destination.body, move.after, move.endpoint
    assert isinstance(service, DiscoveryService)  # noqa: S101 - chosen by kind
    assert one is not None  # noqa: S101 - every registration has one
    attributes = {"AWS_INSTANCE_IPV4": claim.key.ip, "AWS_INSTANCE_PORT": str(claim.key.port), **one.attributes}
    if service.has_custom_health:
        attributes["AWS_INIT_HEALTH_STATUS"] = "HEALTHY"
    return discovery.register_instance(
        ServiceId=service.service_id,
        InstanceId=instance_id(claim.owner),
        CreatorRequestId=_request_id(claim),
        Attributes=attributes,
    )["OperationId"]


def _deregister(discovery: "ServiceDiscoveryClient", destination: Destination, move: Move) -> str:
    service, claim = destination.body, move.after
    assert isinstance(service, DiscoveryService)  # noqa: S101 - chosen by kind
    return discovery.deregister_instance(
        ServiceId=service.service_id, InstanceId=instance_id(claim.former or claim.owner)
    )["OperationId"]


def _request_id(claim: Claim) -> str:
    """The same when botocore repeats a call, and another one for the next registration."""
    return f"{instance_id(claim.owner)}/{claim.revision}"[:64]


def _sort(results: CallResults, destination: Destination, move: Move, error: ClientError) -> None:
    code = code_of(error)
    if code in IN_FLIGHT:
        results.busy.append(move)
    elif code in NOT_FOUND and move.call is Call.DEREGISTER:
        results.done.append(move)
    elif not is_final(error) or move.call is Call.DEREGISTER:
        results.fail([move], error)
    else:
        results.refuse([move], _finding(destination, move, error))


def _finding(destination: Destination, move: Move, error: ClientError) -> Finding:
    if code_of(error) == "ResourceLimitExceeded":
        return quota_reached(destination.arn)
    if code_of(error) in NOT_FOUND:
        return deleted(destination.arn)
    key, message = move.after.key, error.response.get("Error", {}).get("Message", "")
    text = f"AWS refuses {key.ip}:{key.port}: {code_of(error)}: {message}"
    return Finding(destination=destination.arn, code="refused", text=text)
