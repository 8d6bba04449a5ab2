"""Targets of target groups: moto keeps one per address, finds it healthy at once and forgets it when deregistered.

Here a target is an address and a port; it begins as `initial`, turns `healthy` or `unhealthy`, and drains for its
group's deregistration delay. Groups of instances, functions and load balancers stay with moto. Sources: the API
reference of Elastic Load Balancing version 2, and the guides of Application and Network Load Balancers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.aws.elbv2.target_rules import check_registration, check_zones_and_limits, group_arn_refused
from simulator.aws.throttling import TokenBucket
from simulator.calls import OPERATOR, WORKLOAD, caller
from simulator.errors import Throttled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from simulator.cloud import Answer, Answers, Cloud

type Params = Mapping[str, Any]
type Key = tuple[str, int]

INITIAL_DELAY = 15.0
# Users measure two to five minutes until a Network Load Balancer routes to a new target.
NETWORK_INITIAL_DELAY = 90.0
DELAY_ATTRIBUTE = "deregistration_delay.timeout_seconds"
NETWORK_PROTOCOLS = ("TCP", "UDP", "TLS", "TCP_UDP")
DESCRIPTIONS = {
    "Elb.RegistrationInProgress": "Target registration is in progress",
    "Elb.InitialHealthChecking": "Initial health checks in progress",
    "Target.FailedHealthChecks": "Health checks failed",
    "Target.Timeout": "Request timed out",
    "Target.NotRegistered": "Target is not registered to the target group",
    "Target.NotInUse": "Target group is not configured to receive traffic from the load balancer",
    "Target.DeregistrationInProgress": "Target deregistration is in progress",
}


@dataclass(slots=True)
class Target:
    """One registration of an address and port; `gone_at` is the end of its draining, once that has begun."""

    ip: str
    port: int
    zone: str
    registered_by: str
    registered_at: float
    gone_at: float | None = None

    def is_known(self, now: float) -> bool:
        """Whether it is registered or still drains."""
        return self.gone_at is None or now < self.gone_at


class Targets:
    """The targets of all groups of type `ip`, in time.

    `answers` says whether whoever holds an address and port at this moment answers a health check; it is asked on
    every read. `throttles` may be switched off; only calls by functions are throttled. `initial_delay` and
    `network_initial_delay` are the seconds before a first health check can count.
    """

    def __init__(
        self, cloud: Cloud, initial_delay: float = INITIAL_DELAY, network_initial_delay: float = NETWORK_INITIAL_DELAY
    ) -> None:
        self.answers: Callable[[str, int], bool] = lambda _ip, _port: True
        self.throttles = True
        self.initial_delay = initial_delay
        self.network_initial_delay = network_initial_delay
        # Elastic Load Balancing's throttling page: buckets per account and region, one for changes of targets.
        self.changes = TokenBucket(rate=4, burst=20)
        self.reads = TokenBucket(rate=10, burst=40)
        self._cloud = cloud
        self._targets: dict[str, dict[Key, Target]] = {}

    def groups(self) -> list[str]:
        """The ARNs of all target groups."""
        return list(self._cloud.backend("elbv2").target_groups)

    def routable(self, group_arn: str) -> set[Key]:
        """The addresses and ports that are registered and do not drain."""
        return {key for key, target in self._targets.get(group_arn, {}).items() if target.gone_at is None}

    def state(self, group_arn: str, ip: str, port: int) -> str:
        """The state that DescribeTargetHealth shows, or nothing for a target that is not registered."""
        target = self._targets.get(group_arn, {}).get((ip, port))
        if target is None or not target.is_known(self._now()):
            return ""
        return self.health(self.group(group_arn), target)[0]

    def registered_by(self, group_arn: str, ip: str, port: int) -> str:
        """Who registered a target that is registered or drains, as `simulator.calls.caller` names them."""
        target = self._targets.get(group_arn, {}).get((ip, port))
        return target.registered_by if target is not None and target.is_known(self._now()) else ""

    def attach(self, group_arn: str, load_balancer_arn: str) -> None:
        """Let a load balancer that exists route to a group, as a listener of its would."""
        load_balancer = self._cloud.backend("elbv2").load_balancers[load_balancer_arn]
        self.group(group_arn).load_balancer_arns.append(load_balancer.arn)

    def group(self, arn: str) -> Any:
        """One target group (moto's), or AWS's error."""
        group = self._cloud.backend("elbv2").target_groups.get(arn)
        if group is None:
            raise group_arn_refused(arn)
        return group

    def load_balancers(self, group: Any) -> list[Any]:
        """The load balancers (moto's) that route to a group and still exist."""
        known = self._cloud.backend("elbv2").load_balancers
        return [known[arn] for arn in dict.fromkeys(group.load_balancer_arns) if arn in known]

    def of(self, group_arn: str) -> dict[Key, Target]:
        """The targets of a group that are registered or drain, by address and port."""
        targets, now = self._targets.setdefault(group_arn, {}), self._now()
        for key in [key for key, target in targets.items() if not target.is_known(now)]:
            del targets[key]
        return targets

    def health(self, group: Any, target: Target) -> tuple[str, str]:
        """The state of a target and the reason for it."""
        if target.gone_at is not None:
            return "draining", "Target.DeregistrationInProgress"
        if not any(_serves(one, target.zone) for one in self.load_balancers(group)):
            return "unused", "Target.NotInUse"
        is_network = group.protocol in NETWORK_PROTOCOLS
        delay = self.network_initial_delay if is_network else self.initial_delay
        age = self._now() - target.registered_at
        if age < delay:
            return "initial", "Elb.RegistrationInProgress" if age < delay / 3 else "Elb.InitialHealthChecking"
        if self.answers(target.ip, target.port):
            return "healthy", ""
        return "unhealthy", "Target.FailedHealthChecks" if is_network else "Target.Timeout"

    def register(self, group: Any, zones: Mapping[Key, str]) -> None:
        """Begin to route to addresses and ports in these zones; what is registered already stays as it is."""
        targets = self.of(group.arn)
        for (ip, port), zone in zones.items():
            if (ip, port) not in targets:
                targets[ip, port] = Target(ip, port, zone, caller(), self._now())

    def deregister(self, group: Any, keys: Iterable[Key]) -> None:
        """Let targets drain; one that already drains goes on, and an unknown one is no error.

        That a target of a group without load balancer drains, too, is unverified.
        """
        targets = self.of(group.arn)
        for key in keys:
            if key in targets and targets[key].gone_at is None:
                targets[key].gone_at = self._now() + float(group.attributes[DELAY_ATTRIBUTE])

    def admit(self, bucket: TokenBucket) -> None:
        """Throttle a call by a function that comes too soon."""
        if self.throttles and caller() not in (OPERATOR, WORKLOAD) and not bucket.take(self._now()):
            raise Throttled("Throttling", "Rate exceeded")

    def _now(self) -> float:
        return self._cloud.clock.timestamp()


def _serves(load_balancer: Any, zone: str) -> bool:
    return zone == "all" or any(subnet.availability_zone == zone for subnet in load_balancer.subnets)


def register_targets(cloud: Cloud, params: Params) -> dict[str, Any] | None:
    """RegisterTargets: all of them, or none if one is refused."""
    group = cloud.targets.group(params["TargetGroupArn"])
    check_registration(group, params["Targets"])
    if group.target_type != "ip":
        return None
    zones = check_zones_and_limits(cloud, group, {_key(group, item): item for item in params["Targets"]})
    cloud.targets.register(group, zones)
    return {}


def deregister_targets(cloud: Cloud, params: Params) -> dict[str, Any] | None:
    """DeregisterTargets: registered targets begin to drain."""
    group = cloud.targets.group(params["TargetGroupArn"])
    if group.target_type != "ip":
        return None
    cloud.targets.deregister(group, (_key(group, item) for item in params["Targets"]))
    return {}


def describe_target_health(cloud: Cloud, params: Params) -> dict[str, Any] | None:
    """DescribeTargetHealth of the targets asked for, or of all."""
    group = cloud.targets.group(params["TargetGroupArn"])
    if group.target_type != "ip":
        return None
    targets = cloud.targets.of(group.arn)
    keys = [_key(group, item) for item in params.get("Targets", [])] or list(targets)
    return {"TargetHealthDescriptions": [_described(cloud, group, key, targets.get(key)) for key in keys]}


def _key(group: Any, item: Mapping[str, Any]) -> Key:
    return item["Id"], int(item.get("Port", group.port))


def _described(cloud: Cloud, group: Any, key: Key, target: Target | None) -> dict[str, Any]:
    state, reason = cloud.targets.health(group, target) if target else ("unused", "Target.NotRegistered")
    health = {"State": state}
    if reason:
        health |= {"Reason": reason, "Description": DESCRIPTIONS[reason]}
    zone = {"AvailabilityZone": target.zone} if target else {}
    check_port = str(key[1]) if group.health_check_port == "traffic-port" else str(group.health_check_port)
    return {
        "Target": {"Id": key[0], "Port": key[1], **zone},
        "HealthCheckPort": check_port,
        "TargetHealth": health,
    }


def _admitted(bucket: Callable[[Targets], TokenBucket], answer: Answer) -> Answer:
    def admit_and_answer(cloud: Cloud, params: Params) -> dict[str, Any] | None:
        cloud.targets.admit(bucket(cloud.targets))
        return answer(cloud, params)

    return admit_and_answer


def changing(answer: Answer) -> Answer:
    """An answer behind the bucket of RegisterTargets and DeregisterTargets."""
    return _admitted(lambda targets: targets.changes, answer)


def reading(answer: Answer) -> Answer:
    """An answer behind the bucket of the Describe operations."""
    return _admitted(lambda targets: targets.reads, answer)


ANSWERS: Answers = {
    "elbv2:RegisterTargets": changing(register_targets),
    "elbv2:DeregisterTargets": changing(deregister_targets),
    "elbv2:DescribeTargetHealth": reading(describe_target_health),
}
