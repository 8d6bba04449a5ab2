"""The account of the one update by which an expansion gives a service its subnets."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class UpdateState(StrEnum):
    """What became of the update that gives a service its subnets.

    pending → called → deploying → wired
       │        │          └→ rolled back | failed | reset | does not end | unknown
       │        └→ left out | unknown
       └→ wired | left out | gone
    """

    PENDING = "pending"
    """UpdateService was not called."""
    CALLED = "called"
    """UpdateService may have been called."""
    DEPLOYING = "deploying"
    """It was called, and the service deploys."""
    WIRED = "wired"
    """The service lists the subnets, and no deployment of it is in progress."""
    LEFT_OUT = "left out"
    """It was not called, or AWS refused it."""
    GONE = "gone"
    """The service does not exist any more, or its tasks have no addresses of their own."""
    ROLLED_BACK = "rolled back"
    """ECS rolled the deployment back, and the list is as before."""
    FAILED = "failed"
    """The deployment failed, and the service lists the subnets."""
    RESET = "reset"
    """Somebody else has set another list during the deployment."""
    ENDLESS = "does not end"
    """The service lists the subnets, and its deployment was still in progress when it was looked at last."""
    UNKNOWN = "unknown"
    """It was called, or may have been, and the list is without the subnets for an unknown reason."""

    @property
    def is_open(self) -> bool:
        """Whether it is still to be seen what becomes of it."""
        return self in {UpdateState.PENDING, UpdateState.CALLED, UpdateState.DEPLOYING}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUpdate:
    """The account of the one update by which an expansion gives a service its subnets.

    asked: whether a person asked for it. since: when what it waits for was seen first. called_at: when
    UpdateService was called, or may have been. deployment_before: the primary deployment then. deployment: the one
    that it started; of an update that was left out, the one that was in the way. reason: why it is in this state.
    """

    cluster: str
    service: str
    subnet_ids: tuple[str, ...]
    state: UpdateState = UpdateState.PENDING
    asked: bool = False
    since: datetime | None = None
    called_at: datetime | None = None
    deployment_before: str = ""
    deployment: str = ""
    reason: str = ""

    @property
    def name(self) -> tuple[str, str]:
        """The cluster and the service."""
        return self.cluster, self.service

    @property
    def label(self) -> str:
        """The service, for people."""
        return f"{self.cluster} {self.service}"
