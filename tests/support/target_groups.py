"""What tests of target groups make, change and read, on the simulator."""

from typing import Any

ZONES = ("eu-central-1a", "eu-central-1b")
"""Of the subnets that the tests' load balancers are in."""


def make_group(elbv2: Any, vpc_id: str, name: str = "web", protocol: str = "HTTP", kind: str = "ip") -> str:
    answer = elbv2.create_target_group(Name=name, Protocol=protocol, Port=80, VpcId=vpc_id, TargetType=kind)
    arn: str = answer["TargetGroups"][0]["TargetGroupArn"]
    return arn


def make_load_balancer(elbv2: Any, subnets: list[str], kind: str = "application") -> str:
    answer = elbv2.create_load_balancer(Name=f"front-{kind}", Subnets=subnets, Type=kind)
    arn: str = answer["LoadBalancers"][0]["LoadBalancerArn"]
    return arn


def set_attribute(elbv2: Any, group: str, key: str, value: str) -> None:
    elbv2.modify_target_group_attributes(TargetGroupArn=group, Attributes=[{"Key": key, "Value": value}])


def health(elbv2: Any, group: str, *targets: dict[str, Any]) -> dict[tuple[str, int], tuple[str, str]]:
    asked = {"Targets": list(targets)} if targets else {}
    answer = elbv2.describe_target_health(TargetGroupArn=group, **asked)["TargetHealthDescriptions"]
    return {
        (item["Target"]["Id"], item["Target"]["Port"]): (
            item["TargetHealth"]["State"],
            item["TargetHealth"].get("Reason", ""),
        )
        for item in answer
    }


def register(elbv2: Any, group: str, *ips: str, **more: Any) -> None:
    elbv2.register_targets(TargetGroupArn=group, Targets=[{"Id": ip, **more} for ip in ips])


def deregister(elbv2: Any, group: str, *ips: str, **more: Any) -> None:
    elbv2.deregister_targets(TargetGroupArn=group, Targets=[{"Id": ip, **more} for ip in ips])
