"""RegisterTargets, DeregisterTargets and DescribeTargetHealth, for groups of type `ip`; all others are moto's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.aws.elbv2.target_rules import check_registration, check_validity, check_zones_and_limits
from simulator.aws.elbv2.targets import Targets, changing, reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.account import Account, Handlers, Params
    from simulator.aws.elbv2.targets import Key, Target

DESCRIPTIONS = {
    "Elb.RegistrationInProgress": "Target registration is in progress",
    "Elb.InitialHealthChecking": "Initial health checks in progress",
    "Target.FailedHealthChecks": "Health checks failed",
    "Target.Timeout": "Request timed out",
    "Target.NotRegistered": "Target is not registered to the target group",
    "Target.NotInUse": "Target group is not configured to receive traffic from the load balancer",
    "Target.DeregistrationInProgress": "Target deregistration is in progress",
}


def register_targets(account: Account, params: Params) -> dict[str, Any] | None:
    """RegisterTargets: all of them, or none if one is refused."""
    group = account.state(Targets).group(params["TargetGroupArn"])
    check_registration(group, params["Targets"])
    if group.target_type != "ip":
        return None
    items = {_key(group, item): item for item in params["Targets"]}
    check_validity(account, items)
    zones = check_zones_and_limits(account, group, items)
    account.state(Targets).register(group, zones)
    return {}


def deregister_targets(account: Account, params: Params) -> dict[str, Any] | None:
    """DeregisterTargets: registered targets begin to drain, or none if one is refused."""
    group = account.state(Targets).group(params["TargetGroupArn"])
    if group.target_type != "ip":
        return None
    keys = [_key(group, item) for item in params["Targets"]]
    check_validity(account, keys)
    account.state(Targets).deregister(group, keys)
    return {}


def describe_target_health(account: Account, params: Params) -> dict[str, Any] | None:
    """DescribeTargetHealth of the targets asked for, or of all."""
    group = account.state(Targets).group(params["TargetGroupArn"])
    if group.target_type != "ip":
        return None
    targets = account.state(Targets).of(group.arn)
    keys = [_key(group, item) for item in params.get("Targets", [])] or list(targets)
    return {"TargetHealthDescriptions": [_described(account, group, key, targets.get(key)) for key in keys]}


def _key(group: Any, item: Mapping[str, Any]) -> Key:
    return item["Id"], int(item.get("Port", group.port))


def _described(account: Account, group: Any, key: Key, target: Target | None) -> dict[str, Any]:
    state, reason = account.state(Targets).health(group, target) if target else ("unused", "Target.NotRegistered")
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


HANDLERS: Handlers = {
    "elbv2:RegisterTargets": changing(register_targets),
    "elbv2:DeregisterTargets": changing(deregister_targets),
    "elbv2:DescribeTargetHealth": reading(describe_target_health),
}
