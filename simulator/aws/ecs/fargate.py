"""What Fargate has and lacks: capacity by zone and provider, the account's vCPUs, and what keeps a task from starting.

Scenes set these switches; `simulator.faults.FaultPlan` has the probabilities of what happens by chance. The texts are
AWS's as users have quoted them, except for `HOST_FAILED` (unverified). How long Fargate tries before it gives an
interface or a pull up is not documented.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from simulator.account import Account
    from simulator.aws.ecs.task import Task
    from simulator.errors import AwsError

FARGATE, FARGATE_SPOT = "FARGATE", "FARGATE_SPOT"

NO_CAPACITY = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
NO_VCPUS = "You've reached the limit on the number of vCPUs you can run concurrently"
INTERFACE_TIMEOUT = "Timeout waiting for network interface provisioning to complete."
# They pass by themselves (dagster-io/dagster, dagster_aws/ecs/utils.py).
INTERFACE_FAILURES = (
    INTERFACE_TIMEOUT,
    "Timeout waiting for EphemeralStorage provisioning to complete.",
    "Unexpected EC2 error while attempting to Create Network Interface in subnet '{subnet}': AuthFailure",
)
NOT_FOUND = (
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {image}: "
    "{image}: not found"
)
UNAUTHORIZED = (
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {image}: "
    "pull access denied, repository does not exist or may require authorization: server message: "
    "insufficient_scope: authorization failed"
)
PULL_INTERRUPTIONS = (
    "CannotPullContainerError: failed to copy: failed to do request: Get {image}: dial tcp 10.0.0.2:443: i/o timeout",
    "CannotPullContainerError: failed to extract layer of {image}: invalid argument",
    "CannotPullContainerError: failed to copy {image}: httpReadSeeker: failed open: EOF",
)
NO_SECRETS = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
    "unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret from secrets "
    "manager: AccessDeniedException: User is not authorized to perform: secretsmanager:GetSecretValue"
)
HOST_FAILED = "The infrastructure of the task is unhealthy."
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to high memory usage"

# Seconds from PROVISIONING to a task that has failed to start. A task that hangs ends when it is stopped, or then.
INTERFACE_GIVEN_UP = 180.0
HANGING_GIVEN_UP = 7200.0


@dataclass(frozen=True)
class Lack:
    """Capacity that is lacking, of one provider or zone or of all (empty), until a time of the clock."""

    zone: str
    provider: str
    until: float


class StartFailure(NamedTuple):
    """Why a task fails to start after PENDING; is_pull: while its image was pulled, else before that."""

    reason: str
    is_pull: bool


@dataclass(eq=False)
class Fargate:
    """The switches.

    vcpus: the account's quota by provider (`FARGATE`, `FARGATE_SPOT`); none unless set. pull_seconds: how long the
    pull of an image takes, by the family of its task definition. broken_images: why an image cannot be pulled
    (`NOT_FOUND`, `UNAUTHORIZED`), by its name. broken_definitions: why a task of a family cannot be initialized
    (`NO_SECRETS`). refusal: what RunTask answers to every call.
    """

    account: Account
    vcpus: dict[str, float] = field(default_factory=dict)
    pull_seconds: dict[str, float] = field(default_factory=dict)
    broken_images: dict[str, str] = field(default_factory=dict)
    broken_definitions: dict[str, str] = field(default_factory=dict)
    refusal: AwsError | None = None
    _lacks: list[Lack] = field(default_factory=list)
    _hangs_until: float = -inf

    def lack_capacity(self, *, zone: str = "", provider: str = "", until: float = inf) -> None:
        """Have no capacity in a zone (`eu-central-1a`) or of a provider, until a time of the clock in seconds."""
        self._lacks.append(Lack(zone, provider, until))

    def hang(self, until: float = inf) -> None:
        """Let tasks that start until a time of the clock stay in PROVISIONING."""
        self._hangs_until = until

    def recover(self) -> None:
        """No lack, no hanging and no refusal from now on; what is broken stays so."""
        self._lacks.clear()
        self._hangs_until = -inf
        self.refusal = None

    def refuses(self, zone: str, provider: str, vcpus: float) -> str:
        """Why Fargate does not start a task in a zone; empty if it does. vcpus: of the provider, with that task."""
        provider = provider or FARGATE
        if vcpus > self.vcpus.get(provider, inf):
            return NO_VCPUS
        now = self.account.clock.timestamp()
        is_lacking = any(
            one.zone in ("", zone) and one.provider in ("", provider) and now < one.until for one in self._lacks
        )
        return NO_CAPACITY if is_lacking or self.account.faults.occurs("no_capacity") else ""

    def hangs(self) -> bool:
        """Whether a task that starts now stays in PROVISIONING."""
        is_switched = self.account.clock.timestamp() < self._hangs_until
        return is_switched or self.account.faults.occurs("stuck_provisioning")

    def interface_failure(self, subnet_id: str) -> str:
        """Why a task that starts now gets no network interface or storage; empty if it does."""
        faults = self.account.faults
        if not faults.occurs("interface_timeout"):
            return ""
        return faults.chosen("interface_timeout", INTERFACE_FAILURES).format(subnet=subnet_id)

    def start_failure(self, task: Task) -> StartFailure | None:
        """Why a task that has its interface fails to start, if it does."""
        if reason := self.broken_definitions.get(task.family):
            return StartFailure(reason, is_pull=False)
        for container in task.definition.container_definitions:
            image = container["image"]
            if reason := self.broken_images.get(image):
                return StartFailure(reason.format(image=image), is_pull=True)
        faults = self.account.faults
        if faults.occurs("pull_interrupted"):
            reason = faults.chosen("pull_interrupted", PULL_INTERRUPTIONS)
            return StartFailure(reason.format(image=task.main["image"]), is_pull=True)
        return None
