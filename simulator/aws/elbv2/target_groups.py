"""Target groups and load balancers: described fast, with AWS's attributes and limits in place of moto's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.aws.elbv2.target_rules import (
    CROSS_ZONE,
    PER_APPLICATION_LOAD_BALANCER,
    PER_GROUP,
    PER_NETWORK_LOAD_BALANCER,
    PER_ZONE_OF_NETWORK_LOAD_BALANCER,
)
from simulator.aws.elbv2.targets import Targets, reading
from simulator.aws.service_quotas.quotas import Quotas
from simulator.errors import AwsError

if TYPE_CHECKING:
    from simulator.account import Account, Handlers, Params, Patches


DESCRIBE_TAGS_LIMIT = 20
# Sources: TargetGroupAttribute in the API reference.
FOR_ALL = {
    "deregistration_delay.timeout_seconds": "300",
    "stickiness.enabled": "false",
    CROSS_ZONE: "use_load_balancer_configuration",
    "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
}
FOR_APPLICATION = {
    "load_balancing.algorithm.type": "round_robin",
    "load_balancing.algorithm.anomaly_mitigation": "off",
    "slow_start.duration_seconds": "0",
    "stickiness.type": "lb_cookie",
    "stickiness.app_cookie.cookie_name": "",
    "stickiness.app_cookie.duration_seconds": "86400",
    "stickiness.lb_cookie.duration_seconds": "86400",
}
FOR_NETWORK = {
    "deregistration_delay.connection_termination.enabled": "false",
    "preserve_client_ip.enabled": "true",
    "proxy_protocol_v2.enabled": "false",
    "stickiness.type": "source_ip",
    "target_health_state.unhealthy.connection_termination.enabled": "true",
    "target_health_state.unhealthy.draining_interval_seconds": "0",
}
# Names and values: DescribeAccountLimits in the AWS CLI's examples; those that have a quota here follow it.
FIXED_LIMITS = {
    "target-groups": 3000,
    "application-load-balancers": 50,
    "listeners-per-application-load-balancer": 50,
    "rules-per-application-load-balancer": 100,
    "network-load-balancers": 50,
    "listeners-per-network-load-balancer": 50,
    "target-groups-per-application-load-balancer": 100,
    "target-groups-per-action-on-application-load-balancer": 5,
    "target-groups-per-action-on-network-load-balancer": 1,
    "target-id-registrations-per-application-load-balancer": 1000,
}
QUOTA_LIMITS = {
    "targets-per-target-group": PER_GROUP,
    "targets-per-application-load-balancer": PER_APPLICATION_LOAD_BALANCER,
    "targets-per-network-load-balancer": PER_NETWORK_LOAD_BALANCER,
    "targets-per-availability-zone-per-network-load-balancer": PER_ZONE_OF_NETWORK_LOAD_BALANCER,
}


def describe_target_groups(account: Account, params: Params) -> dict[str, Any]:
    """DescribeTargetGroups by ARNs, by names, by load balancer, or all; by name."""
    chosen = [name for name in ("TargetGroupArns", "Names", "LoadBalancerArn") if params.get(name)]
    if len(chosen) > 1:
        message = "Target group names, target group ARNs, and a load balancer ARN cannot be specified at the same time"
        raise AwsError("ValidationError", message)
    groups = list(account.backend("elbv2").target_groups.values())
    if "TargetGroupArns" in chosen:
        groups = [account.state(Targets).group(arn) for arn in dict.fromkeys(params["TargetGroupArns"])]
    elif "Names" in chosen:
        by_name = {group.name: group for group in groups}
        if not by_name.keys() >= set(params["Names"]):
            raise AwsError("TargetGroupNotFound", "One or more target groups not found")
        groups = [by_name[name] for name in dict.fromkeys(params["Names"])]
    elif chosen:
        _load_balancer(account, params["LoadBalancerArn"])
        groups = [group for group in groups if params["LoadBalancerArn"] in group.load_balancer_arns]
    return {"TargetGroups": [_described(account, group) for group in sorted(groups, key=lambda group: str(group.name))]}


def _load_balancer(account: Account, arn: str) -> Any:
    load_balancer = account.backend("elbv2").load_balancers.get(arn)
    if load_balancer is None:
        raise AwsError("LoadBalancerNotFound", f"Load balancers '[{arn}]' not found")
    return load_balancer


def _described(account: Account, group: Any) -> dict[str, Any]:
    answer = {
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "Protocol": group.protocol,
        "Port": None if group.port is None else int(group.port),
        "VpcId": group.vpc_id,
        "HealthCheckProtocol": group.health_check_protocol,
        "HealthCheckPort": None if group.health_check_port is None else str(group.health_check_port),
        "HealthCheckEnabled": group.health_check_enabled,
        "HealthCheckIntervalSeconds": int(group.health_check_interval_seconds),
        "HealthCheckTimeoutSeconds": int(group.health_check_timeout_seconds),
        "HealthyThresholdCount": int(group.healthy_threshold_count),
        "UnhealthyThresholdCount": int(group.unhealthy_threshold_count),
        "HealthCheckPath": group.health_check_path,
        "Matcher": getattr(group, "matcher", None),
        "LoadBalancerArns": [one.arn for one in account.state(Targets).load_balancers(group)],
        "TargetType": group.target_type,
        "ProtocolVersion": group.protocol_version,
        "IpAddressType": group.ip_address_type,
    }
    return {name: value for name, value in answer.items() if value is not None}


def describe_target_group_attributes(account: Account, params: Params) -> dict[str, Any]:
    """DescribeTargetGroupAttributes: AWS's defaults, and what was set."""
    group = account.state(Targets).group(params["TargetGroupArn"])
    values = _defaults(group)
    values |= {key: str(value) for key, value in group.attributes.items() if key in values}
    return {"Attributes": [{"Key": key, "Value": value} for key, value in values.items()]}


def _defaults(group: Any) -> dict[str, str]:
    if group.target_type == "lambda":
        return {"lambda.multi_value_headers.enabled": "false"}
    if group.protocol in ("HTTP", "HTTPS"):
        return FOR_ALL | FOR_APPLICATION
    values = FOR_ALL | FOR_NETWORK
    if group.protocol in ("UDP", "TCP_UDP"):
        values["deregistration_delay.connection_termination.enabled"] = "true"
        values["target_health_state.unhealthy.connection_termination.enabled"] = "false"
    elif group.target_type == "ip":
        values["preserve_client_ip.enabled"] = "false"
    return values


def describe_load_balancer_attributes(account: Account, params: Params) -> dict[str, Any]:
    """DescribeLoadBalancerAttributes: cross-zone load balancing is always on for an Application Load Balancer."""
    load_balancer = _load_balancer(account, params["LoadBalancerArn"])
    values = dict(load_balancer.attrs)
    if load_balancer.type == "application":
        values[CROSS_ZONE] = "true"
    return {"Attributes": [{"Key": key, "Value": str(value)} for key, value in values.items()]}


def describe_account_limits(account: Account, _: Params) -> dict[str, Any]:
    """DescribeAccountLimits."""
    limits = FIXED_LIMITS | {name: int(account.state(Quotas).value(code)) for name, code in QUOTA_LIMITS.items()}
    return {"Limits": [{"Name": name, "Max": str(value)} for name, value in limits.items()]}


def check_described_tags(_: Account, params: Params) -> None:
    """DescribeTags refuses more than 20 resources in one call."""
    if len(params["ResourceArns"]) > DESCRIBE_TAGS_LIMIT:
        message = f"Cannot describe tags of more than {DESCRIBE_TAGS_LIMIT} resources in one call"
        raise AwsError("ValidationError", message)


def name_network_load_balancer(account: Account, _: Params, response: dict[str, Any]) -> None:
    """CreateLoadBalancer: the ARN of a Network Load Balancer has `net`, where moto writes `app` for all."""
    backend = account.backend("elbv2")
    for shown in response["LoadBalancers"]:
        if shown["Type"] != "network":
            continue
        moved, tags = backend.load_balancers.pop(shown["LoadBalancerArn"]), backend.tagging_service
        arn = moved.arn.replace(":loadbalancer/app/", ":loadbalancer/net/")
        tags.tag_resource(arn, tags.list_tags_for_resource(moved.arn)["Tags"])
        tags.delete_all_tags_for_resource(moved.arn)
        moved.arn = shown["LoadBalancerArn"] = arn
        backend.load_balancers[arn] = moved


HANDLERS: Handlers = {
    "elbv2:DescribeTargetGroups": reading(describe_target_groups),
    "elbv2:DescribeTargetGroupAttributes": reading(describe_target_group_attributes),
    "elbv2:DescribeLoadBalancerAttributes": reading(describe_load_balancer_attributes),
    "elbv2:DescribeAccountLimits": reading(describe_account_limits),
    "elbv2:DescribeTags": check_described_tags,
}
PATCHES: Patches = {"elbv2:CreateLoadBalancer": name_network_load_balancer}
