"""Scenarios of security_groups that leave no AWS call out."""

from collections.abc import Iterator
from typing import Any

from berthmaster.security_groups.model.removals import Origin, RemovalState
from simulator.calls import Call
from tests.support.security_groups.change_scene import ChangeScene, a_change_scene
from tests.support.security_groups.referrers import Referrers
from tests.support.security_groups.scene import LOGS, a_security_groups_scene
from tests.support.security_groups.topology import every_topology_call


def security_groups_calls() -> list[Call]:
    """Every call while topology is recorded, flow logs are credited, reports are written, and rules removed."""
    scenarios = (every_topology_call, _crediting, _declining, _reporting, _removing)
    return [call for scenario in scenarios for call in scenario()]


def _crediting() -> Iterator[Call]:
    """Files are credited and reported; requests are answered; what is there already is taken in again."""
    with a_security_groups_scene() as scene:
        used = scene.allow("db", 5432, "web")
        scene.wait(600)
        scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], 5432)
        scene.wait(1800)
        scene.berthmaster.invoke("SecurityGroupsReportFunction", {})
        scene.wait(60)
        scene.report()
        scene.request("Rule Status Requested", rule=used)
        scene.request("Pause Requested", automation="security_groups")
        scene.request("Resume Requested", automation="security_groups")
        today = f"{scene.cloud.clock.now():%Y-%m-%d}"
        scene.request("Flow Log Backfill Requested", bucket=LOGS, **{"from": today, "to": today})
        scene.wait(120)
        yield from scene.cloud.calls


def _declining() -> Iterator[Call]:
    """Objects of a bucket that are no files of flow logs."""
    with a_security_groups_scene() as scene:
        scene.survey()
        scene.cloud.client("s3").put_object(Bucket=LOGS, Key="notes.txt", Body=b"nothing")
        scene.wait(600)
        yield from scene.cloud.calls


def _reporting() -> Iterator[Call]:
    """A report in an account in which everything names groups, and a rule names a prefix list."""
    with a_security_groups_scene() as scene:
        referrers = Referrers(scene.cloud, scene.vpc, scene.subnet)
        referrers.launch_templates()
        referrers.containers()
        referrers.others()
        ec2 = scene.cloud.client("ec2")
        made = ec2.create_managed_prefix_list(PrefixListName="offices", AddressFamily="IPv4", MaxEntries=1)
        pair = {"PrefixListId": made["PrefixList"]["PrefixListId"]}
        ec2.authorize_security_group_ingress(
            GroupId=scene.groups["web"],
            IpPermissions=[{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": [pair]}],
        )
        scene.wait(4500)  # the window ends an hour ago
        scene.report()
        yield from scene.cloud.calls


def _removing() -> Iterator[Call]:
    """Rules of every kind are quarantined; one is used, and comes back; the others are revoked, and made again."""
    with a_change_scene("approve", SecurityGroupsRemovalsPerGroup=9) as scene:
        web, offices = scene.scene.groups["web"], _prefix_list(scene)
        needed = _allow(scene, {"UserIdGroupPairs": [{"GroupId": web}]}, 9000)
        _allow(scene, {"PrefixListIds": [{"PrefixListId": offices}]}, 9001)
        _allow(scene, {"IpRanges": [{"CidrIp": "10.8.0.0/16"}]}, 9002, is_egress=True)
        scene.until(RemovalState.PROPOSED)
        scene.scene.request("Removal Status Requested")
        for proposal in scene.proposals():
            scene.scene.request("Proposal Approved", proposal=proposal.id)
        scene.until(RemovalState.QUARANTINED)
        interfaces = scene.scene.interfaces
        scene.scene.add("stranger")
        for name, port in (("web", 9000), ("web", 9001), ("stranger", 9000)):
            scene.scene.traffic.connect(interfaces[name], interfaces["db"], port)
        scene.ec2.delete_network_interface(NetworkInterfaceId=interfaces["stranger"])
        scene.wait(20)
        assert [one["rule"] for one in scene.scene.events("Rule Restored")] == [needed]
        scene.until(RemovalState.REVOKED)
        scene.scene.request("Restore Requested", group=scene.group)
        scene.wait(5)
        assert len(scene.scene.events("Rule Restored")) == 4
        yield from scene.scene.cloud.calls


def _prefix_list(scene: ChangeScene) -> str:
    """Of one entry, from which nobody comes."""
    made = scene.ec2.create_managed_prefix_list(
        PrefixListName="offices", AddressFamily="IPv4", MaxEntries=1, Entries=[{"Cidr": "10.7.0.0/16"}]
    )
    return str(made["PrefixList"]["PrefixListId"])


def _allow(scene: ChangeScene, peer: dict[str, Any], port: int, *, is_egress: bool = False) -> str:
    """A rule of `db` that people have made, with a tag; returns its id."""
    authorize = scene.ec2.authorize_security_group_egress if is_egress else scene.ec2.authorize_security_group_ingress
    made = authorize(
        GroupId=scene.group,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peer}],
        TagSpecifications=[{"ResourceType": "security-group-rule", "Tags": [{"Key": "team", "Value": "payments"}]}],
    )
    rule = str(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])
    scene.made_by(Origin.PEOPLE, rule)
    return rule
