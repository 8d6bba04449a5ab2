"""An EventBridge rule and a schedule that run tasks."""

from simulator.workload.network import MANAGED
from tests.support.capacity.scene import CapacityScene


def add_rule_and_schedule(scene: CapacityScene) -> None:
    """The rule `nightly` and the schedule `hourly`, tagged, run tasks in the first subnet with the role `runner`."""
    network = {"awsvpcConfiguration": {"Subnets": [scene.subnets[0]], "AssignPublicIp": "DISABLED"}}
    target = {
        "Arn": f"arn:aws:ecs:eu-central-1:123456789012:cluster/{scene.workload.cluster}",
        "RoleArn": "arn:aws:iam::123456789012:role/runner",
        "EcsParameters": {
            "TaskDefinitionArn": "arn:aws:ecs:eu-central-1:123456789012:task-definition/nightly:1",
            "NetworkConfiguration": network,
        },
    }
    events, scheduler = scene.cloud.client("events"), scene.cloud.client("scheduler")
    tags = [{"Key": key, "Value": value} for key, value in MANAGED.items()]
    events.put_rule(Name="nightly", ScheduleExpression="rate(1 day)", Tags=tags)
    events.put_targets(Rule="nightly", Targets=[{"Id": "1", **target}])
    scheduler.create_schedule_group(Name="ours", Tags=tags)
    scheduler.create_schedule(
        Name="hourly",
        GroupName="ours",
        ScheduleExpression="rate(1 hour)",
        Description="does not change",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=target,
    )


def add_subnet_to_rule(scene: CapacityScene, subnet_id: str) -> None:
    events = scene.cloud.client("events")
    (target,) = events.list_targets_by_rule(Rule="nightly")["Targets"]
    target["EcsParameters"]["NetworkConfiguration"]["awsvpcConfiguration"]["Subnets"].append(subnet_id)
    events.put_targets(Rule="nightly", Targets=[target])


def subnets_of_rule_and_schedule(scene: CapacityScene) -> list[list[str]]:
    rule = scene.cloud.client("events").list_targets_by_rule(Rule="nightly")["Targets"][0]
    schedule = scene.cloud.client("scheduler").get_schedule(Name="hourly", GroupName="ours")["Target"]
    return [one["EcsParameters"]["NetworkConfiguration"]["awsvpcConfiguration"]["Subnets"] for one in (rule, schedule)]
