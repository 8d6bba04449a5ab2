"""RegisterInstance and DeregisterInstance: one instance a call, each the beginning of an operation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.errors import code_of, is_final
from berthmaster.pace import Pace
from berthmaster.targets.act.results import Begun, CallResults
from berthmaster.targets.model import Call, Claim, Destination, DiscoveryService, Finding, Move, instance_id, no_room

if TYPE_CHECKING:
    from mypy_boto3_servicediscovery import ServiceDiscoveryClient

IN_FLIGHT = frozenset({"DuplicateRequest", "ResourceInUse"})
GONE = frozenset({"InstanceNotFound", "ServiceNotFound"})


def call_cloud_map(
    discovery: "ServiceDiscoveryClient", destination: Destination, call: Call, moves: Sequence[Move], pace: Pace
) -> CallResults:
    """Make one kind of call for each move on one Cloud Map service, oldest first."""
    answers = CallResults()
    for index, move in enumerate(moves):
        try:
            pace.wait(len(moves) - index)
            operation = (
                _register(discovery, destination, move)
                if call is Call.REGISTER
                else _deregister(discovery, destination, move)
            )
        except (BotoCoreError, TimeoutError) as error:
            answers.failed.append(move)
            answers.errors.append(error)
        except ClientError as error:
            _sort(answers, destination, call, move, error)
        else:
            answers.begun.append(Begun(move, operation))
    return answers


def _register(discovery: "ServiceDiscoveryClient", destination: Destination, move: Move) -> str:
    service, claim, one = destination.body, move.after, move.endpoint
    assert isinstance(service, DiscoveryService)  # noqa: S101 - chosen by kind
    assert one is not None  # noqa: S101 - nobody is registered without one
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
    """The same for a call that botocore repeats, another for the next registration."""
    return f"{instance_id(claim.owner)}/{claim.revision}"[:64]


def _sort(answers: CallResults, destination: Destination, call: Call, move: Move, error: ClientError) -> None:
    code = code_of(error)
    if code in IN_FLIGHT:
        answers.busy.append(move)
    elif code in GONE and call is Call.DEREGISTER:
        answers.done.append(move)
    elif not is_final(error) or call is Call.DEREGISTER:
        answers.failed.append(move)
        answers.errors.append(error)
    else:
        answers.refused.append(move)
        answers.find(_finding(destination, move, error))


def _finding(destination: Destination, move: Move, error: ClientError) -> Finding:
    if code_of(error) == "ResourceLimitExceeded":
        return no_room(destination.arn)
    if code_of(error) in GONE:
        return Finding(destination=destination.arn, code="gone", text="it no longer exists")
    key, message = move.after.key, error.response.get("Error", {}).get("Message", "")
    text = f"AWS does not take {key.ip}:{key.port}: {code_of(error)}: {message}"
    return Finding(destination=destination.arn, code="refused", text=text)
