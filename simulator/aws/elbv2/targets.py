"""Targets of target groups: moto keeps one per address, finds it healthy at once and forgets it when deregistered.

Here a target is an address and a port; it begins as `initial`, turns `healthy` or `unhealthy`, and drains for its
group's deregistration delay. Groups of instances, functions and load balancers stay with moto. Sources: the API
reference of Elastic Load Balancing version 2, and the guides of Application and Network Load Balancers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from simulator.aws.elbv2.lost_deregistrations import LostDeregistrations
from simulator.aws.elbv2.repeated_deregistrations import RepeatedDeregistrations
from simulator.aws.throttling import TokenBucket
from simulator.calls import caller
from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from simulator.account import Account, Handler, Params

type Key = tuple[str, int]

DELAY_ATTRIBUTE = "deregistration_delay.timeout_seconds"
NETWORK_PROTOCOLS = ("TCP", "UDP", "TLS", "TCP_UDP")


class WhileDraining(Enum):
    """What RegisterTargets does about an address and port that still drain in the group; unverified on AWS.

    The guide of Application Load Balancers says that one must wait for the deregistration delay before the same IP
    address can be registered again, not what happens otherwise.

    REFUSED: InvalidTarget, and nothing of the call is done.
    ACCEPTED: success; the drain ends, and the target begins anew as `initial`.
    IGNORED: success; the target drains on.
    DROPPED: success; the target begins anew as `initial`, and is gone when the drain would have ended.
    """

    REFUSED = "refused"
    ACCEPTED = "accepted"
    IGNORED = "ignored"
    DROPPED = "dropped"


@dataclass(slots=True)
class Target:
    """One registration of an address and port; `gone_at`: when it disappears, once that is certain."""

    ip: str
    port: int
    zone: str
    registered_by: str
    registered_at: float
    drains: bool = False
    gone_at: float | None = None

    def is_known(self, now: float) -> bool:
        """Whether it is registered or still drains."""
        return self.gone_at is None or now < self.gone_at


class Targets:
    """The targets of all groups of type `ip`, in time.

    answers: whether a health check of an address and port succeeds at this moment; called on every read. throttles:
    whether calls by functions are throttled. initial_delay, network_initial_delay: seconds before a first health check
    can count. while_draining: what registering an address again does while it drains. is_invalid: whether an address
    and port make AWS refuse every call of RegisterTargets and DeregisterTargets that names them.
    """

    def __init__(self, account: Account) -> None:
        self.answers: Callable[[str, int], bool] = lambda _ip, _port: True
        self.throttles = True
        self.initial_delay = 15.0
        # Users measure two to five minutes until a Network Load Balancer routes to a new target.
        self.network_initial_delay = 90.0
        self.while_draining = WhileDraining.REFUSED
        self.is_invalid: Callable[[str, int], bool] = lambda _ip, _port: False
        self.lost_deregistrations = LostDeregistrations(account.seed)
        self.repeated_deregistrations = RepeatedDeregistrations(account)
        # Elastic Load Balancing's throttling page: buckets per account and region, one for changes of targets.
        self.changes = TokenBucket(rate=4, burst=20, code="Throttling")
        self.reads = TokenBucket(rate=10, burst=40, code="Throttling")
        self._account = account
        self._targets: dict[str, dict[Key, Target]] = {}

    def groups(self) -> list[str]:
        """The ARNs of all target groups."""
        return list(self._account.backend("elbv2").target_groups)

    def routable(self, group_arn: str) -> set[Key]:
        """The addresses and ports that are registered and do not drain."""
        targets, now = self._targets.get(group_arn, {}), self._now()
        return {key for key, target in targets.items() if not target.drains and target.is_known(now)}

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
        load_balancer = self._account.backend("elbv2").load_balancers[load_balancer_arn]
        self.group(group_arn).load_balancer_arns.append(load_balancer.arn)

    def group(self, arn: str) -> Any:
        """One target group (moto's), or AWS's error."""
        group = self._account.backend("elbv2").target_groups.get(arn)
        if group is None:
            raise _group_refused(arn)
        return group

    def load_balancers(self, group: Any) -> list[Any]:
        """The load balancers (moto's) that route to a group and still exist."""
        known = self._account.backend("elbv2").load_balancers
        return [known[arn] for arn in dict.fromkeys(group.load_balancer_arns) if arn in known]

    def of(self, group_arn: str) -> dict[Key, Target]:
        """The targets of a group that are registered or drain, by address and port."""
        targets, now = self._targets.setdefault(group_arn, {}), self._now()
        for key in [key for key, target in targets.items() if not target.is_known(now)]:
            del targets[key]
        return targets

    def health(self, group: Any, target: Target) -> tuple[str, str]:
        """The state of a target and the reason for it."""
        if target.drains:
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
            former = targets.get((ip, port))
            if former is None:
                targets[ip, port] = Target(ip, port, zone, caller(), self._now())
            elif former.drains and self.while_draining is not WhileDraining.IGNORED:
                until = former.gone_at if self.while_draining is WhileDraining.DROPPED else None
                targets[ip, port] = Target(ip, port, zone, caller(), self._now(), gone_at=until)

    def deregister(self, group: Any, keys: Iterable[Key]) -> None:
        """Let targets drain; one that already drains goes on, and an unknown one is no error.

        That a target of a group without load balancer drains, too, is unverified.
        """
        carried_out = self.lost_deregistrations.carried_out(group.arn, keys)
        self.repeated_deregistrations.carry_out(partial(self._drain, group, carried_out))

    def admit(self, bucket: TokenBucket) -> None:
        """Throttle a call by a function that comes too soon."""
        if self.throttles:
            bucket.admit(self._account)

    def _drain(self, group: Any, keys: Iterable[Key]) -> None:
        targets = self.of(group.arn)
        for key in keys:
            target = targets.get(key)
            if target is None or target.drains:
                continue
            target.drains = True
            if target.gone_at is None:
                target.gone_at = self._now() + float(group.attributes[DELAY_ATTRIBUTE])

    def _now(self) -> float:
        return self._account.clock.timestamp()


def _group_refused(arn: str) -> AwsError:
    """The error for an ARN that names no target group."""
    if not arn.startswith("arn:") or ":targetgroup/" not in arn:
        return AwsError("ValidationError", f"'{arn}' is not a valid target group ARN")
    return AwsError("TargetGroupNotFound", "One or more target groups not found")


def _serves(load_balancer: Any, zone: str) -> bool:
    return zone == "all" or any(subnet.availability_zone == zone for subnet in load_balancer.subnets)


def _admitted(bucket: Callable[[Targets], TokenBucket], handler: Handler) -> Handler:
    def admit_and_handle(account: Account, params: Params) -> dict[str, Any] | None:
        account.state(Targets).admit(bucket(account.state(Targets)))
        return handler(account, params)

    return admit_and_handle


def changing(handler: Handler) -> Handler:
    """A handler behind the bucket of RegisterTargets and DeregisterTargets."""
    return _admitted(lambda targets: targets.changes, handler)


def reading(handler: Handler) -> Handler:
    """A handler behind the bucket of the Describe operations."""
    return _admitted(lambda targets: targets.reads, handler)
