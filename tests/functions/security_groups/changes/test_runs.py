"""Runs: what is announced, proposed, changed and given back, in every mode."""

from berthmaster.security_groups.model.removals import Origin, RemovalState
from tests.support.mails import paste
from tests.support.security_groups.change_scene import OFFICE, ChangeScene, a_change_scene

STEPS = ("Removal Announced", "Rule Quarantined", "Rule Revoked", "Removal Closed")


def counted(scene: ChangeScene, *detail_types: str) -> list[int]:
    return [len(scene.scene.events(one)) for one in detail_types]


def test_in_enforce_an_unused_rule_goes_in_steps_and_what_is_used_stays() -> None:
    with a_change_scene() as scene:
        announced = scene.until(RemovalState.ANNOUNCED)
        assert announced.owner == "payments"
        scene.until(RemovalState.QUARANTINED)
        assert scene.described()["CidrIpv4"].startswith("192.0.2.")
        scene.until(RemovalState.REVOKED)
        assert scene.described() == {}
        scene.until(RemovalState.CLOSED)
        assert scene.described(scene.used)
        assert scene.removal(scene.used) is None
        assert counted(scene, *STEPS) == [1, 1, 1, 1]
        assert scene.scene.dead_letters() == []


def test_in_approve_rules_are_proposed_and_an_approval_is_carried_out_only_if_it_still_stands() -> None:
    with a_change_scene("approve") as scene:
        scene.until(RemovalState.PROPOSED)
        (proposal,) = scene.proposals()
        assert proposal.rules == (scene.unused,)
        visitor = scene.visitor()
        scene.scene.traffic.connect(visitor, scene.scene.interfaces["db"], 22)
        scene.wait(25)
        (mail,) = [one for one in scene.scene.mails() if "Proposal Approved" in one]
        paste(scene.scene.cloud, mail, "Proposal Approved")
        scene.scene.wait(60)
        assert counted(scene, "Request Accepted", "Removals Proposed") == [1, 1]
        scene.wait(5)
        assert scene.described()["CidrIpv4"] == OFFICE
        assert [one["rule"] for one in scene.scene.events("Removal Withdrawn")] == [scene.unused]
        assert [one["proposal"] for one in scene.scene.events("Proposal Superseded")] == [proposal.id]


def test_in_observe_each_rule_is_reported_once_and_what_code_makes_is_a_patch() -> None:
    with a_change_scene("observe", origin=Origin.IAC) as scene:
        by_hand = scene.scene.allow("db", 80, OFFICE)
        scene.made_by(Origin.PEOPLE, by_hand)
        scene.wait(110)
        reported = scene.scene.events("Removal Reported")
        assert [one["rule"] for one in reported if not one["obstacle"]] == [by_hand]
        assert len({one["rule"] for one in reported}) == len(reported)
        (patch,) = scene.scene.events("Patch Proposed")
        assert scene.unused in patch["cli"]
        assert OFFICE in patch["terraform"]
        assert scene.removals.all() == []
        assert scene.described()["CidrIpv4"] == OFFICE


def test_a_freeze_stops_changes_and_not_announcements() -> None:
    with a_change_scene(SecurityGroupsFreeze="2026-01-01/2027-12-31") as scene:
        scene.until(RemovalState.ANNOUNCED)
        scene.wait(40)
        assert scene.described()["CidrIpv4"] == OFFICE
        scene.scene.request("Removal Status Requested", by="ann")
        scene.scene.wait(30)
        (status,) = scene.scene.events("Removal Status")
        assert "2026-01-01/2027-12-31" in status["frozen"]
        assert [one["state"] for one in status["removals"]] == ["announced"]


def test_a_pause_stops_what_was_begun_and_a_rule_that_is_to_be_kept_is_restored_all_the_same() -> None:
    with a_change_scene() as scene:
        before = scene.described()
        scene.quarantine()
        scene.scene.request("Pause Requested", automation="security_groups", by="ann")
        scene.wait(45)
        assert scene.state() is RemovalState.QUARANTINED
        scene.tag(scene.unused, "berthmaster:keep", "the audit needs it")
        scene.tick()
        scene.scene.wait(30)
        assert scene.state() is RemovalState.RESTORED
        assert {**scene.described(), "Tags": []} == {**before, "Tags": []}
        (restored,) = scene.scene.events("Rule Restored")
        assert "the audit needs it" in restored["why"]


def test_a_rule_that_was_left_in_quarantine_without_a_record_is_reported_and_never_removed() -> None:
    with a_change_scene() as scene:
        lost = scene.scene.allow("db", 81, "192.0.2.7/32")
        scene.made_by(Origin.PEOPLE, lost)
        scene.until(RemovalState.QUARANTINED)
        (finding,) = [one for one in scene.scene.events("Finding Reported") if one["code"] == "left in quarantine"]
        assert finding["resource"] == lost
        assert scene.removal(lost) is None
        assert scene.described(lost)


def test_without_the_tag_of_its_group_a_rule_in_quarantine_is_neither_revoked_nor_forgotten() -> None:
    with a_change_scene() as scene:
        scene.quarantine()
        scene.ec2.delete_tags(Resources=[scene.group], Tags=[{"Key": "berthmaster:security-groups"}])
        scene.wait(60)
        assert scene.state() is RemovalState.QUARANTINED
        (finding,) = [one for one in scene.scene.events("Finding Reported") if one["code"] == "not managed"]
        assert finding["resource"] == scene.unused
        (mail,) = [one for one in scene.scene.mails() if "create-tags" in one]
        assert scene.group in mail
