"""What Cloud Map keeps: the instances of each service, and the operations that bring and take them."""

from __future__ import annotations

import string
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

from simulator.aws.cloud_map.endings import Ending, Endings
from simulator.aws.throttling import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.account import Account

ALPHABET = string.ascii_lowercase + string.digits


@dataclass(slots=True)
class Instance:
    """A registered instance; `health` is what discovery sees."""

    instance_id: str
    attributes: dict[str, str]
    creator_request_id: str
    registered_by: str
    health: str


@dataclass(slots=True)
class Operation:
    """A change of one instance; `ending`: how it is going to end."""

    operation_id: str
    kind: str
    service_id: str
    instance_id: str
    ending: Ending
    submitted: datetime
    pending_from: datetime
    finished: datetime | None = None

    def status_at(self, now: datetime) -> tuple[str, datetime]:
        """Its status, and since when."""
        if self.finished is not None:
            return "FAIL" if self.ending.error else "SUCCESS", self.finished
        if now >= self.pending_from:
            return "PENDING", self.pending_from
        return "SUBMITTED", self.submitted


@dataclass(slots=True)
class Registry:
    """The instances of one service, the operations under way by instance, and the requests it has seen."""

    instances: dict[str, Instance] = field(default_factory=dict)
    under_way: dict[str, Operation] = field(default_factory=dict)
    requests: dict[str, tuple[str, Mapping[str, str], Operation]] = field(default_factory=dict)
    revision: int = 1

    def count(self) -> int:
        """How many instances there are, with those whose registration is under way."""
        coming = (one.instance_id for one in self.under_way.values() if one.kind == "REGISTER_INSTANCE")
        return len(self.instances) + sum(instance_id not in self.instances for instance_id in coming)


class Discovery:
    """What Cloud Map knows of instances.

    `operation_delay` and `health_delay` are how long, in virtual seconds, an operation and a change of custom health
    take; `endings` is how operations end. The quotas and the two buckets (calls by functions only) are attributes that
    a test may replace. Sources: "AWS Cloud Map quotas"; for the rates, what aws-cloud-map-mcs-controller-for-k8s keeps
    to.
    """

    def __init__(self, account: Account) -> None:
        self.operation_delay = 5.0
        self.health_delay = 30.0
        self.instances_per_service = 1000
        self.instances_per_namespace = 2000
        # RequestLimitExceeded is DiscoverInstances' own; the control plane throttles as most of AWS does.
        self.registrations = TokenBucket(rate=50, burst=100)
        self.deregistrations = TokenBucket(rate=50, burst=100)
        self.random = Random(f"{account.seed}:discovery")
        self.endings = Endings(account)
        self.operations: dict[str, Operation] = {}
        self._account = account
        self._registries: dict[str, Registry] = {}

    def fail_next(self, error_code: str) -> None:
        """Let the next operation end in FAIL with this ErrorCode and change nothing; once per call of this."""
        self.endings.next.append(Ending(error_code, has_effect=False))

    def lose_next(self) -> None:
        """Let the next operation end in SUCCESS and change nothing; once per call of this."""
        self.endings.next.append(Ending(has_effect=False))

    def instances(self, service_id: str) -> dict[str, dict[str, str]]:
        """The attributes of the instances registered now, by instance id."""
        self._account.settle()
        return {key: dict(instance.attributes) for key, instance in self.registry(service_id).instances.items()}

    def registered_by(self, service_id: str, instance_id: str) -> str:
        """Who registered an instance as it is now: a function's logical id, `workload` or `operator`."""
        self._account.settle()
        return self.registry(service_id).instances[instance_id].registered_by

    def registry(self, service_id: str) -> Registry:
        """The instances of one service."""
        return self._registries.setdefault(service_id, Registry())

    def forget(self, service_id: str) -> None:
        """Drop a deleted service."""
        self._registries.pop(service_id, None)

    def begin(self, kind: str, service_id: str, instance_id: str, effect: Callable[[Registry], None]) -> Operation:
        """Submit an operation; its effect, if it has one, comes `operation_delay` later."""
        account, registry, now = self._account, self.registry(service_id), self._account.clock.timestamp()
        operation = Operation(
            operation_id=f"{self._letters(32)}-{self._letters(8)}",
            kind=kind,
            service_id=service_id,
            instance_id=instance_id,
            ending=self.endings.draw(),
            submitted=datetime.fromtimestamp(now, UTC),
            pending_from=datetime.fromtimestamp(now + self.operation_delay / 5, UTC),
        )
        finished = datetime.fromtimestamp(now + self.operation_delay, UTC)
        self.operations[operation.operation_id] = operation
        registry.under_way[instance_id] = operation

        def finish() -> None:
            operation.finished = finished
            del registry.under_way[instance_id]
            if operation.ending.has_effect:
                effect(registry)
                registry.revision += 1

        account.later(self.operation_delay, finish)
        return operation

    def _letters(self, count: int) -> str:
        return "".join(self.random.choices(ALPHABET, k=count))
