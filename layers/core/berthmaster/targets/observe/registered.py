"""What is registered in a destination, and which Cloud Map operations have ended."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import NotBegun, concurrently
from berthmaster.errors import MissingEvidence, code_of
from berthmaster.invocation import Invocation
from berthmaster.paced_reads import PacedReads
from berthmaster.targets.model import (
    INSTANCE_PREFIX,
    Claim,
    ClaimKey,
    ClaimState,
    Destination,
    DiscoveryService,
    Target,
    TargetState,
)

TARGETS_PER_CALL = 100
OPERATIONS = 50
"""Operations that one invocation asks about."""
OPERATIONS_AT_ONCE = 8
TIME_FOR_CALLS = timedelta(seconds=6)
"""What registrations that wait for these reads need at the end of an invocation; then no operation is asked about."""
NOT_FOUND = frozenset({"TargetGroupNotFound", "ServiceNotFound"})


class Registered:
    """The targets and instances of destinations."""

    def __init__(self, clients: Clients, clock: Clock, reads: PacedReads) -> None:
        self._clients = clients
        self._clock = clock
        self._reads = reads

    def in_destination(self, destination: Destination) -> dict[ClaimKey, Target]:
        """All targets that are registered, or drain; MissingEvidence if the destination was deleted."""
        try:
            if isinstance(destination.body, DiscoveryService):
                return self._instances(destination, destination.body)
            return self.in_target_group(destination.arn)
        except ClientError as error:
            if code_of(error) in NOT_FOUND:
                raise MissingEvidence("it does not exist any more") from error
            raise

    def in_target_group(self, arn: str, keys: Sequence[ClaimKey] = ()) -> dict[ClaimKey, Target]:
        """The targets of a group, all or only those; targets that are not registered are missing."""
        chosen: Any = {"Targets": [{"Id": key.ip, "Port": key.port} for key in keys]} if keys else {}
        answer = self._reads.call(self._clients.elbv2.describe_target_health, TargetGroupArn=arn, **chosen)
        found = {}
        for one in answer["TargetHealthDescriptions"]:
            health = one.get("TargetHealth", {})
            state, reason = health.get("State", ""), health.get("Reason", "")
            if reason == "Target.NotRegistered":
                continue
            key = ClaimKey(arn, one["Target"]["Id"], one["Target"].get("Port", 0))
            # A target that is `unhealthy.draining` loses its connections and stays registered.
            present = TargetState.DRAINING if state == "draining" else TargetState.PRESENT
            found[key] = Target(present, state, reason, zone=one["Target"].get("AvailabilityZone", ""))
        return found

    def _instances(self, destination: Destination, service: DiscoveryService) -> dict[ClaimKey, Target]:
        pages = self._clients.discovery.get_paginator("list_instances").paginate(ServiceId=service.service_id)
        found = {}
        for page in pages:
            for one in page["Instances"]:
                attributes = one.get("Attributes", {})
                ip, port = attributes.get("AWS_INSTANCE_IPV4", ""), attributes.get("AWS_INSTANCE_PORT", "")
                key = ClaimKey(destination.arn, ip or one["Id"], int(port) if port.isdecimal() else 0)
                if key not in found or one["Id"].startswith(INSTANCE_PREFIX):
                    found[key] = Target(TargetState.PRESENT, instance=one["Id"])
        return found

    def operations(
        self, claims: Iterable[Claim], invocation: Invocation
    ) -> tuple[dict[str, bool], list[tuple[Claim, Exception]]]:
        """Cloud Map operations of claims that have ended, and whether they succeeded; and those that AWS failed at.

        Each takes a call, so only the oldest are asked about, while there is time; claims with the others are checked
        again later.
        """
        oldest = sorted((claim for claim in claims if claim.operation), key=lambda claim: claim.changed_at)
        ended: dict[str, bool] = {}
        failed: list[tuple[Claim, Exception]] = []
        for one in concurrently(
            self._operation,
            oldest[:OPERATIONS],
            at_once=OPERATIONS_AT_ONCE,
            may_begin=lambda: invocation.time_left(self._clock.now()) > TIME_FOR_CALLS,
        ):
            if isinstance(one.error, BotoCoreError | ClientError):
                failed.append((one.item, one.error))
            elif not isinstance(one.error, NotBegun) and one.result is not None:
                ended[one.item.operation] = one.result
        return ended, failed

    def _operation(self, claim: Claim) -> bool | None:
        try:
            status = self._clients.discovery.get_operation(OperationId=claim.operation)["Operation"]["Status"]
        except ClientError as error:
            # Cloud Map forgets operations after some time. A registration is then taken as successful, since a
            # reconciliation registers the instance again if it is missing; a deregistration is called again.
            if code_of(error) == "OperationNotFound":
                return claim.state is ClaimState.REGISTERING
            raise
        return {"SUCCESS": True, "FAIL": False}.get(status)
