"""The contract of ECS's deployment lifecycle hooks: what a call contains, and what may be answered.

Source: "Lambda hooks for Amazon ECS service deployments" of the ECS guide. The guide has shown the deployment's fields
both under `executionDetails` and at the top; both are read. That ECS shows the `reason` of a FAILED is unverified.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from berthmaster.arn import Arn
from berthmaster.envelope import decoded
from berthmaster.errors import InvalidEvent
from berthmaster.targets.plan.traffic_shift import BEFORE_SHIFT

CALL_BACK_AFTER = timedelta(seconds=15)
BEFORE_TASKS = frozenset({"RECONCILE_SERVICE", "PRE_SCALE_UP"})
"""Stages at which no task of the new revision exists yet."""
SUCCEEDED = {"hookStatus": "SUCCEEDED"}
_ARN = r"^arn:aws[a-z-]*:ecs:[a-z0-9-]+:\d{12}:"
ServiceArn = Annotated[str, Meta(pattern=_ARN + r"service/[\w-]{1,255}/[\w-]{1,255}$")]
RevisionArn = Annotated[str, Meta(pattern=_ARN + r"service-revision/[\w-]{1,255}/[\w-]{1,255}/[\w-]{1,64}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One call of a hook: a deployment, and its stage.

    revision: the service revision that is deployed. since: when the hook was first called at this stage, None if this
    is the first call. details: the hook details, which ECS passes to the next call.
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
        """Whether traffic is moved back to the old revision: ECS calls the hooks of both shifts for rollbacks too."""
        match self.stage:
            case "PRODUCTION_TRAFFIC_SHIFT":
                weights = self.production_weights
            case "TEST_TRAFFIC_SHIFT":
                weights = self.test_weights or self.production_weights
            case _:
                return False
        return not weights.get(self.revision) and any(weights.values())

    @property
    def is_before_shift(self) -> bool:
        """Whether no production traffic is shifted yet; before each further step the stage is an earlier one again."""
        return self.stage in BEFORE_SHIFT and not self.production_weights.get(self.revision)

    @property
    def stage_step(self) -> str:
        """The stage and the share of traffic: ECS also passes the hook details of one step on to the next one."""
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
    stage_step: str = ""


def parse(event: Any) -> Hook:
    """Read one call; InvalidEvent names the field that is wrong."""
    if not isinstance(event, dict):
        raise InvalidEvent("event", "is not an object")
    execution = event.get("executionDetails", {})
    if not isinstance(execution, dict):
        raise InvalidEvent("executionDetails", "is not an object")
    payload = decoded(msgspec.json.encode(event | execution), _Payload, "")
    # Operators configure hook details freely.
    given = event.get("hookDetails")
    details = given if isinstance(given, dict) else {}
    kept = decoded(msgspec.json.encode(details), _Kept, "hookDetails")
    _, cluster, service = Arn.parse(payload.service_arn).path
    hook = Hook(
        cluster=cluster,
        service=service,
        revision=payload.target_service_revision_arn,
        stage=payload.lifecycle_stage,
        test_weights=payload.test_traffic_weights,
        production_weights=payload.production_traffic_weights,
        details=details,
    )
    return replace(hook, since=kept.since) if kept.stage_step == hook.stage_step else hook


def in_progress(hook: Hook, since: datetime) -> dict[str, Any]:
    """Call again later, with these `hookDetails`."""
    return {
        "hookStatus": "IN_PROGRESS",
        "callBackDelay": int(CALL_BACK_AFTER.total_seconds()),
        "hookDetails": {**hook.details, "since": since.isoformat(), "stage_step": hook.stage_step},
    }


def failed(reason: str) -> dict[str, Any]:
    """Roll the deployment back."""
    return {"hookStatus": "FAILED", "reason": reason}
