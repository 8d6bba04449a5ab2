"""The daily report: what others cover, and groups that no interface carries, with what names them."""

import json
from dataclasses import replace
from typing import Any

from berthmaster.security_groups.ledger.removals import Removals
from berthmaster.security_groups.model.removals import RemovalState
from simulator.errors import AwsError
from tests.support.security_groups.example import removal, rule_of
from tests.support.security_groups.scene import CHANGE, REPORT, a_security_groups_scene
from tests.support.security_groups.topology import OTHERS

WINDOW_ENDS_BEFORE = 3600
"""Seconds."""


def test_groups_without_an_interface_and_rules_that_others_cover() -> None:
    with a_security_groups_scene() as scene:
        ec2, ecs = scene.cloud.client("ec2"), scene.cloud.client("ecs")
        idle, needed, deleted = (
            ec2.create_security_group(GroupName=name, Description=name, VpcId=scene.vpc)["GroupId"]
            for name in ("idle", "needed", "deleted")
        )
        ecs.create_cluster(clusterName="shop")
        ecs.register_task_definition(
            family="web", networkMode="awsvpc", containerDefinitions=[{"name": "main", "image": "x", "memory": 64}]
        )
        ecs.create_service(
            cluster="shop",
            serviceName="web",
            taskDefinition="web",
            desiredCount=0,
            networkConfiguration={"awsvpcConfiguration": {"subnets": [scene.subnet], "securityGroups": [needed]}},
        )
        wide, narrow, member = (scene.allow("db", 5432, peer) for peer in ("10.0.0.0/16", "10.0.0.0/24", "web"))
        scene.wait(600)
        ec2.delete_security_group(GroupId=deleted)
        scene.wait(WINDOW_ENDS_BEFORE + 600)
        evidence = scene.report()
        found = groups_json(scene)
        assert [(one["group"], one["is_certain"]) for one in found["unused_groups"]] == [(idle, True)]
        assert found["latent_groups"] == [{"group": needed, "named_by": ["ECS service web of shop"]}]
        assert [(one["rule"], one["covered_by"]) for one in evidence["redundant"]] == [(narrow, [wide])]
        assert [(one["rule"], one["covered_by"]) for one in evidence["conditional"]] == [(member, [wide])]

        def denied(*_: object) -> dict[str, Any]:
            raise AwsError("AccessDeniedException", "not authorized")

        scene.cloud.handlers["lambda:ListFunctions"] = scene.cloud.handlers["ec2:DescribeStaleSecurityGroups"] = denied
        evidence = scene.report()
        (unused,) = groups_json(scene)["unused_groups"]
        assert (unused["group"], unused["is_certain"]) == (idle, False)
        assert "Lambda functions could not be read (AccessDeniedException)" in unused["why"]
        assert any("EC2 could not be asked what is gone" in gap["what"] for gap in evidence["gaps"])


def test_removals_are_in_reports_and_in_the_status_of_their_rules() -> None:
    with a_security_groups_scene(unscheduled=(*OTHERS, REPORT, CHANGE)) as scene:
        rules = {state: scene.allow("db", 5432 + number, "web") for number, state in enumerate(RemovalState)}
        kept = Removals(scene.cloud.client("dynamodb"), scene.table)
        for state, rule in rules.items():
            made = removal(replace(rule_of(scene.groups["db"], scene.groups["web"]), id=rule), state)
            kept.save(replace(made, changed_at=scene.cloud.clock.now()))
        scene.wait(600)
        found = scene.report()["removals"]
        assert {rule: one["state"] for rule, one in found.items()} == {
            rule: state.value for state, rule in rules.items()
        }
        scene.request("Rule Status Requested", rule=rules[RemovalState.QUARANTINED])
        scene.wait(60)
        (status,) = scene.events("Rule Status")
        assert status["removal"] == "quarantined"
        assert "Next, not before" in status["message"]
        assert "it is revoked" in status["message"]
        for state in RemovalState:
            assert (
                f"removal: {state.value} since" in scene.body("reports/latest/groups.md").decode() or not state.is_open
            )


def groups_json(scene: Any) -> dict[str, Any]:
    return dict(json.loads(scene.body("reports/latest/groups.json")))
