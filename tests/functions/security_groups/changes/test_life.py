"""The life of a rule that nobody uses, from the decision that it goes."""

from datetime import timedelta
from typing import Any

from berthmaster.security_groups.ledger.removals import Removals
from berthmaster.security_groups.model.removals import Candidate, Ground, Origin, Removal, RemovalState
from berthmaster.security_groups.model.rules import Rule
from berthmaster.security_groups.observe.topology_aws import TopologyReader
from simulator.aws.ec2.connection_tracking import ConnectionTracking
from tests.support.security_groups.scene import REPORT, SecurityGroupsScene, a_security_groups_scene
from tests.support.security_groups.topology import OTHERS, SURVEY

HOUR = {"SecurityGroupsQuarantineDays": "0.04"}
UNSCHEDULED = (*OTHERS, REPORT, SURVEY)


def approve(scene: SecurityGroupsScene, rule_id: str, group: str) -> None:
    """Put into the ledger that a rule is to go."""
    found = TopologyReader(scene.cloud.client("ec2"), scene.cloud.clock).of(groups=[scene.groups[group]]).seen[rule_id]
    assert isinstance(found, Rule)
    now = scene.cloud.clock.now()
    candidate = Candidate(rule=found, vpc=scene.vpc, ground=Ground.UNUSED, why="nothing used it", since=0, until=1)
    removal = Removal(
        candidate=candidate,
        origin=Origin.PEOPLE,
        state=RemovalState.APPROVED,
        announced_at=now - timedelta(days=7),
        changed_at=now,
        due_at=now,
        intended_at=now,
    )
    Removals(scene.cloud.client("dynamodb"), table(scene)).save(removal)


def table(scene: SecurityGroupsScene) -> str:
    """The ledger's name."""
    return str(scene.berthmaster.template.identity("SecurityGroupsTable").name)


def described(scene: SecurityGroupsScene, rule_id: str) -> dict[str, Any]:
    """A rule as EC2 has it; empty if it is gone."""
    found = scene.cloud.client("ec2").describe_security_group_rules()["SecurityGroupRules"]
    return dict(next((one for one in found if one["SecurityGroupRuleId"] == rule_id), {}))


def test_an_approved_rule_is_quarantined_then_revoked_and_the_removal_closed() -> None:
    with a_security_groups_scene(mode="enforce", unscheduled=UNSCHEDULED, **HOUR) as scene:
        scene.cloud.state(ConnectionTracking).default["TcpEstablishedTimeout"] = 60
        scene.manage("db")
        rule = scene.allow("db", 5432, "10.9.0.0/16")
        approve(scene, rule, "db")
        scene.wait(600)
        assert described(scene, rule)["CidrIpv4"].startswith("192.0.2.")
        scene.wait(4000)
        assert described(scene, rule) == {}
        scene.wait(4000)
        assert len(scene.events("Rule Quarantined", "Rule Revoked")) == 2


def test_a_rule_in_quarantine_is_restored_when_an_operator_requests_it() -> None:
    with a_security_groups_scene(mode="enforce", unscheduled=UNSCHEDULED, **HOUR) as scene:
        scene.manage("db")
        rule = scene.allow("db", 5432, "10.9.0.0/16")
        before = described(scene, rule)
        approve(scene, rule, "db")
        scene.wait(600)
        scene.request("Restore Requested", rule=rule, by="ann")
        scene.wait(60)
        assert described(scene, rule) == before
        assert [one["rule"] for one in scene.events("Rule Restored")] == [rule]
