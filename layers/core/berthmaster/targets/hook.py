"""The contract with ECS's deployment lifecycle hooks: what it tells, and what it may be answered.

Source: "Lambda hooks for Amazon ECS service deployments" of the ECS guide. It has shown what tells of the deployment
both under `executionDetails` and at the top; either is read. That ECS shows the `reason` of a FAILED is unverified.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from berthmaster.envelope import decoded
from berthmaster.errors import InvalidEvent

CALL_BACK_AFTER = timedelta(seconds=15)
BEFORE_TASKS = frozenset({"RECONCILE_SERVICE", "PRE_SCALE_UP"})
"""Stages at which no task of the new revision exists."""
SUCCEEDED = {"hookStatus": "SUCCEEDED"}
_ARN = r"^arn:aws[a-z-]*:ecs:[a-z0-9-]+:\d{12}:"
ServiceArn = Annotated[str, Meta(pattern=_ARN + r"service/[\w-]{1,255}/[\w-]{1,255}$")]
RevisionArn = Annotated[str, Meta(pattern=_ARN + r"service-revision/[\w-]{1,255}/[\w-]{1,255}/[\w-]{1,64}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One call: a deployment, its stage, and since when it has been asked about.

    revision: what is being deployed. since: the first call at this stage, None if this is it. details: what comes back
    at the next call.
    """

    cluster: str
    service: str
    revision: str
    stage: str
    test_weights: Mapping[str, float] = field(default_factory=dict)
    production_weights: Mapping[str, float] = field(default_factory=dict)
    since: datetime | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rolls_back(self) -> bool:
        """Whether traffic leaves the new revision: ECS calls the hooks of both shifts again when it rolls back."""
        match self.stage:
            case "PRODUCTION_TRAFFIC_SHIFT":
                weights = self.production_weights
            case "TEST_TRAFFIC_SHIFT":
                weights = self.test_weights or self.production_weights
            case _:
                return False
        return not weights.get(self.revision) and any(weights.values())

    @property
    def occasion(self) -> str:
        """What `since` is about: what one stage, or one step of it, keeps is handed to the next one, too."""
        weights = (self.test_weights.get(self.revision, 0), self.production_weights.get(self.revision, 0))
        return f"{self.stage} {weights[0]:g} {weights[1]:g}"


class _Payload(Struct, rename="camel"):
    service_arn: ServiceArn
    target_service_revision_arn: RevisionArn
    lifecycle_stage: str = ""
    test_traffic_weights: dict[str, float] = {}
    production_traffic_weights: dict[str, float] = {}


class _Kept(Struct):
    since: Annotated[datetime, Meta(tz=True)] | None = None
    occasion: str = ""


def parse(event: Any) -> Hook:
    """Read what ECS tells; InvalidEvent names the field that is wrong."""
    if not isinstance(event, dict):
        raise InvalidEvent("event", "is not an object")
    execution = event.get("executionDetails", {})
    if not isinstance(execution, dict):
        raise InvalidEvent("executionDetails", "is not an object")
    payload = decoded(msgspec.json.encode(event | execution), _Payload, "")
    # What an operator configured there may be anything.
    given = event.get("hookDetails")
    details = given if isinstance(given, dict) else {}
    kept = decoded(msgspec.json.encode(details), _Kept, "hookDetails")
    cluster, service = payload.service_arn.split("/")[1:]
    hook = Hook(
        cluster=cluster,
        service=service,
        revision=payload.target_service_revision_arn,
        stage=payload.lifecycle_stage,
        test_weights=payload.test_traffic_weights,
        production_weights=payload.production_traffic_weights,
        details=details,
    )
    return replace(hook, since=kept.since) if kept.occasion == hook.occasion else hook


def in_progress(hook: Hook, since: datetime) -> dict[str, Any]:
    """Ask again; what is in `hookDetails` comes back."""
    return {
        "hookStatus": "IN_PROGRESS",
        "callBackDelay": int(CALL_BACK_AFTER.total_seconds()),
        "hookDetails": {**hook.details, "since": since.isoformat(), "occasion": hook.occasion},
    }


def failed(reason: str) -> dict[str, Any]:
    """Roll back."""
    return {"hookStatus": "FAILED", "reason": reason}
