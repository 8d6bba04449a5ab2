"""Scenarios of security_groups that leave no AWS call out."""

from collections.abc import Iterator

from simulator.calls import Call
from tests.support.security_groups.referrers import Referrers
from tests.support.security_groups.scene import LOGS, a_security_groups_scene
from tests.support.security_groups.topology import every_topology_call


def security_groups_calls() -> list[Call]:
    """Every call while topology is recorded, flow logs are credited, and reports are written and asked for."""
    return [call for scenario in (every_topology_call, _crediting, _declining, _reporting) for call in scenario()]


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
