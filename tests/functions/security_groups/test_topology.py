"""Who had which address, group and rule, recorded by the deployed functions."""

import json
from itertools import pairwise

import pytest

from berthmaster.security_groups.ledger.origins import Origins
from berthmaster.security_groups.model.removals import Origin
from berthmaster.security_groups.model.topology import Topology
from simulator.aws.events.api_calls import CLOUDFORMATION, PERSON, TERRAFORM, Functions, acting_as
from simulator.errors import AwsError
from tests.support.security_groups.topology import CHANGE, SURVEY, TRACK, a_topology_scene
from tests.support.spoiled import messages


def holders(topology: Topology, address: str, time: float) -> dict[str, bool]:
    """Who may have had an address at a time, and whether that is sure."""
    return {
        span.value.id: span.is_sure(time, time)
        for spans in topology.interfaces.values()
        for span in spans
        if span.overlaps(time, time) and address in map(str, span.value.addresses)
    }


def test_jobs_that_reuse_addresses_within_a_minute_are_told_apart() -> None:
    with a_topology_scene() as scene:
        groups = [scene.group(name) for name in ("first", "second")]
        scene.wait(6 * 60)
        truth: dict[str, list[tuple[float, str, str]]] = {}
        for number in range(24):
            scene.run_task(groups[number % 2], lasts=40)
            for _ in range(4):
                scene.wait(20)
                for eni in scene.cloud.interfaces.values():
                    group = next(one.id for one in eni.group_set)
                    truth.setdefault(eni.private_ip_address, []).append((scene.now, eni.id, group))
        scene.wait(12 * 60)
        topology = scene.topology()
        reused = [one for seen in truth.values() for one in pairwise(seen) if one[0][1] != one[1][1]]
        assert len(reused) >= 3
        sure = 0
        for address, seen in truth.items():
            for time, eni, group in seen:
                found = holders(topology, address, time)
                assert found.get(eni) is not None, (address, time)
                assert [one for one, is_sure in found.items() if is_sure] in ([], [eni])
                assert topology.interfaces[eni][0].value.groups == (group,)
                sure += found == {eni: True}
        assert sure > sum(map(len, truth.values())) / 3


def test_changes_between_two_surveys_have_the_times_that_events_give_them() -> None:
    with a_topology_scene() as scene:
        web = scene.group("web")
        interface = scene.interface(web)
        rule = scene.allow(web, IpRanges=[{"CidrIp": "10.0.0.0/8"}])
        scene.wait(11 * 60)
        changed = scene.now
        db = scene.group("db")
        scene.ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[db])
        scene.ec2.revoke_security_group_ingress(GroupId=web, SecurityGroupRuleIds=[rule])
        new = scene.allow(db, IpRanges=[{"CidrIp": "10.0.0.0/8"}])
        scene.wait(20 * 60)
        topology = scene.topology()

        before, after = topology.interfaces[interface]
        assert (before.value.groups, after.value.groups) == ((web,), (db,))
        assert before.overlaps(changed, changed)
        assert after.overlaps(changed, changed)
        assert not before.is_sure(changed, changed)
        assert after.is_sure(changed + 8 * 60, changed + 9 * 60)
        (gone,), (made,) = topology.rules[rule], topology.rules[new]
        assert changed <= gone.until < changed + 10
        assert changed - 2 < made.since <= changed
        assert made.value.group == db


def test_who_made_a_group_or_a_rule_is_recorded_but_not_what_berthmaster_made_again() -> None:
    with a_topology_scene() as scene:
        own = scene.cloud.state(Functions).principals[CHANGE]
        web = scene.group("web")
        made = {}
        for number, (who, origin) in enumerate(
            [(PERSON, Origin.PEOPLE), (TERRAFORM, Origin.IAC), (CLOUDFORMATION, Origin.CLOUDFORMATION)]
        ):
            with acting_as(who):
                made[scene.allow(web, IpRanges=[{"CidrIp": f"10.{number}.0.0/16"}])] = origin
        with acting_as(own):
            restored = scene.allow(web, IpRanges=[{"CidrIp": "10.9.0.0/16"}])
        scene.wait(10 * 60)
        table = scene.berthmaster.template.identity("SecurityGroupsTable").name
        found = Origins(scene.cloud.client("dynamodb"), table).of([web, restored, *made])
        assert {one.id: one.origin for one in found.values()} == {web: Origin.PEOPLE, **made}
        assert all(one.caller.startswith("arn:aws:iam::") and one.agent for one in found.values())


def test_an_hour_is_folded_and_reads_the_same() -> None:
    with a_topology_scene() as scene:
        group = scene.group("web")
        scene.wait(20 * 60)
        scene.interface(group)
        scene.wait(170 * 60)
        names = scene.recorded()
        folded = [name for name in names if "-folded-" in name]
        before = scene.topology()
        s3 = scene.cloud.client("s3")
        assert len(folded) == 2
        for name in folded:
            hour = name.partition("0000000-")[0]
            for one in names:
                if one.startswith(hour) and "-folded-" not in one and "-survey-" not in one:
                    s3.delete_object(Bucket=scene.bucket, Key=one)
        assert len(scene.recorded()) < len(names) - 15
        assert scene.topology() == before


def test_every_day_begins_with_all_there_is_and_a_rule_keeps_when_it_was_first_seen() -> None:
    with a_topology_scene(trail=False) as scene:
        group = scene.group("web")
        scene.wait(6 * 60)
        scene.berthmaster.schedules_enabled = False
        rule = scene.allow(group, IpRanges=[{"CidrIp": "10.0.0.0/8"}])
        made = scene.now
        for _ in range(24):
            scene.wait(2 * 3600)
            scene.berthmaster.invoke(SURVEY, {})
        days = {name.split("/")[1] for name in scene.recorded()}
        surveys = [name for name in scene.recorded() if "-survey-" in name]
        assert len(days) == len(surveys) == 3
        (span, *_) = scene.topology(hours=49).rules[rule]
        assert made - 300 <= span.since <= made
        (span, *_) = scene.topology(hours=6).rules[rule]
        assert made < span.since < scene.now - 6 * 3600


def test_findings_about_flow_logs_are_reported_once_and_when_they_change() -> None:
    with a_topology_scene() as scene:
        scene.ec2.create_tags(
            Resources=[scene.group("web")], Tags=[{"Key": "berthmaster:security-groups", "Value": "managed"}]
        )
        scene.wait(16 * 60)
        assert [(one["resource"], one["code"]) for one in scene.events()] == [(scene.network.vpc_id, "no flow log")]
        log = scene.ec2.create_flow_logs(
            ResourceIds=[scene.network.vpc_id],
            ResourceType="VPC",
            TrafficType="ALL",
            LogDestinationType="s3",
            LogDestination="arn:aws:s3:::flow-logs/vpc",
        )["FlowLogIds"][0]
        scene.wait(16 * 60)
        assert {(one["resource"], one["code"]) for one in scene.events()[1:]} == {(log, "flow log lacks fields")}
        assert any("tcp-flags" in one["text"] for one in scene.events()[1:])


@pytest.mark.parametrize("operation", ["ec2:DescribeNetworkInterfaces", "s3:PutObject", "s3:ListObjectsV2"])
def test_a_survey_that_fails_records_nothing_and_the_next_one_makes_up_for_it(operation: str) -> None:
    with a_topology_scene(trail=False) as scene:
        group = scene.group("web")
        scene.wait(6 * 60)
        scene.interface(group)
        before = scene.recorded()

        def refuse(*_: object) -> None:
            raise AwsError("UnauthorizedOperation" if operation.startswith("ec2") else "AccessDenied", "no")

        kept = scene.cloud.handlers[operation]
        scene.cloud.handlers[operation] = refuse
        scene.wait(5 * 60)
        scene.cloud.handlers[operation] = kept
        assert scene.recorded() == before
        assert scene.topology().interfaces == {}
        scene.wait(5 * 60)
        assert len(scene.topology().interfaces) == 1


@pytest.mark.parametrize("function", [SURVEY, TRACK])
def test_in_mode_off_nothing_is_read_or_recorded(function: str) -> None:
    with a_topology_scene(mode="off") as scene:
        event = {"Records": []} if function == TRACK else {}
        assert scene.berthmaster.invoke(function, event).error is None
        scene.run_task(scene.group("web"), lasts=10)
        scene.wait(10 * 60)
        assert scene.recorded() == []
        assert [one for one in scene.cloud.calls if one.caller in {SURVEY, TRACK}] == []


@pytest.mark.parametrize("body", ["", "{}", "[1]", json.dumps({"source": "aws.ec2", "detail-type": "x", "time": 1})])
def test_an_invalid_event_fails_alone_and_the_others_are_recorded(body: str) -> None:
    with a_topology_scene() as scene:
        rule = scene.allow(scene.group("web"), IpRanges=[{"CidrIp": "10.0.0.0/8"}])
        (event,) = messages("security_groups_track_rules_authorized.json")
        event["detail"]["requestParameters"]["groupId"] = scene.group_of(rule)
        records = [{"messageId": "bad", "body": body}, {"messageId": "good", "body": json.dumps(event)}]
        invocation = scene.berthmaster.invoke(TRACK, {"Records": records})
        assert invocation.result == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
        assert rule in scene.topology().rules


def test_two_surveys_at_a_time_both_record_what_they_saw() -> None:
    with a_topology_scene(trail=False) as scene:
        group = scene.group("web")
        scene.wait(6 * 60)
        interface = scene.interface(group)
        for _ in range(2):
            scene.berthmaster.runtime.start(SURVEY, {}, lambda _: None)
        scene.wait(60)
        assert len(scene.recorded()) == 3
        seen = scene.now
        scene.wait(5 * 60)
        scene.ec2.delete_network_interface(NetworkInterfaceId=interface)
        scene.wait(9 * 60)
        (span,) = scene.topology().interfaces[interface]
        assert span.is_sure(seen, seen + 60)
        assert span.until < scene.now
