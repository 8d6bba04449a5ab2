"""Decisions on proposals: each is answered, and has effect once; restores that people are asked about."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from berthmaster.proposals import Outcome
from berthmaster.security_groups.ledger.proposals import Proposals
from berthmaster.security_groups.model.removals import Proposal, ProposalKind, RemovalState
from tests.support.mails import paste
from tests.support.security_groups.changes import a_scene_of_changes, approve, ledger, removal_of, send
from tests.support.security_groups.scene import SecurityGroupsScene

ANSWERS = ("Request Accepted", "Request Refused")
WHY = "tcp 5432 from 10.9.3.7 was rejected at eni-0a1b2c3d4e5f60718, and no other rule allows it"


def asked(scene: SecurityGroupsScene, detail_type: str, **detail: Any) -> str:
    """The only answer to a request, which comes within a minute: its reason or text."""
    before = len(scene.events(*ANSWERS))
    scene.request(detail_type, **detail)
    scene.wait(60)
    (answer,) = scene.events(*ANSWERS)[before:]
    return str(answer.get("reason") or answer["text"])


def proposals(scene: SecurityGroupsScene) -> Proposals:
    return Proposals(scene.cloud.client("dynamodb"), scene.berthmaster.template.identity("SecurityGroupsTable").name)


@contextmanager
def proposed(mode: str = "approve", **changes: Any) -> Iterator[tuple[SecurityGroupsScene, Proposal]]:
    """A scene in which the removal of a rule is proposed; its notices and runs do not matter."""
    with a_scene_of_changes(mode=mode) as scene:
        scene.berthmaster.schedules_enabled = False
        rule = scene.allow("db", 5432, "10.9.0.0/16")
        now = scene.cloud.clock.now()
        proposal = Proposal(
            id="security_groups.sg.20261122T113000Z",
            kind=ProposalKind.REMOVE,
            group=scene.groups["db"],
            rules=(rule,),
            fingerprint="3f9a1c07d2b4",
            made_at=now,
            expires_at=now + timedelta(days=14),
        )
        yield scene, proposals(scene).save(replace(proposal, **changes))


@pytest.mark.parametrize(
    ("mode", "changes", "detail_type", "detail", "reason"),
    [
        ("approve", {}, "Proposal Approved", {"fingerprint": "other"}, "that of the proposal is 3f9a1c07d2b4"),
        ("approve", {"superseded": "it is used"}, "Proposal Approved", {}, "does not stand any more: it is used"),
        (
            "approve",
            {"verdict": Outcome.REJECTED, "decided_by": "bob"},
            "Proposal Approved",
            {},
            "rejected before by bob",
        ),
        ("observe", {}, "Proposal Approved", {}, "the mode is observe"),
        ("off", {}, "Proposal Rejected", {}, "the mode is off"),
    ],
)
def test_a_decision_that_has_no_effect_is_refused_with_the_reason(
    mode: str, changes: dict[str, Any], detail_type: str, detail: dict[str, str], reason: str
) -> None:
    with proposed(mode, **changes) as (scene, proposal):
        assert reason in asked(scene, detail_type, proposal=proposal.id, **detail)
        assert proposals(scene).get(proposal.id) == proposal


def test_decisions_are_saved_once_and_answered_each_time() -> None:
    with proposed() as (scene, proposal):
        assert "there is no proposal" in asked(scene, "Proposal Approved", proposal=f"{proposal.id[:-2]}1Z")
        scene.request("Pause Requested", automation="security_groups", by="bob")
        scene.wait(30)
        assert "paused by bob" in asked(scene, "Proposal Approved", proposal=proposal.id)
        assert "it is rejected" in asked(scene, "Proposal Rejected", proposal=proposal.id, by="ann")
        assert "rejected before by ann" in asked(scene, "Proposal Rejected", proposal=proposal.id, by="eve")
        decided = proposals(scene).get(proposal.id)
        assert decided
        assert (decided.verdict, decided.decided_by) == (Outcome.REJECTED, "ann")


def test_a_proposal_expires() -> None:
    with proposed() as (scene, proposal):
        proposals(scene).save(replace(proposal, expires_at=scene.cloud.clock.now()))
        assert "it could be approved until" in asked(scene, "Proposal Approved", proposal=proposal.id)


def missed(scene: SecurityGroupsScene, rule: str) -> None:
    """security_groups_watch does not know who was rejected."""
    send(scene, "Propose Restore", group=scene.groups["db"], rule=rule, why=WHY)
    scene.wait(30)


def test_people_are_asked_once_whether_a_rule_is_restored_and_it_is_if_they_say_so() -> None:
    with a_scene_of_changes() as scene:
        rule = scene.allow("db", 5432, "10.9.0.0/16")
        missed(scene, rule)
        assert scene.events("Restore Proposed") == []
        approve(scene, rule)
        scene.wait(60)
        missed(scene, rule)
        missed(scene, rule)
        (event,) = scene.events("Restore Proposed")
        assert event["why"] == WHY
        (mail,) = [one for one in scene.mails() if "may be missed" in one]
        paste(scene.cloud, mail, "Proposal Approved")
        scene.wait(60)
        assert removal_of(scene, rule).state is RemovalState.RESTORED
        assert len(scene.events("Rule Restored")) == 1


def test_people_who_say_no_are_not_asked_again() -> None:
    with a_scene_of_changes() as scene:
        rule = scene.allow("db", 5432, "10.9.0.0/16")
        approve(scene, rule)
        scene.wait(60)
        missed(scene, rule)
        (event,) = scene.events("Restore Proposed")
        assert "not proposed again" in asked(scene, "Proposal Rejected", proposal=event["proposal"])
        missed(scene, rule)
        assert len(scene.events("Restore Proposed")) == 1
        assert [one.state for one in ledger(scene).open()] == [RemovalState.QUARANTINED]


def test_what_is_being_removed_is_answered_in_every_mode() -> None:
    with a_scene_of_changes(mode="off") as scene:
        scene.request("Removal Status Requested", group=scene.groups["db"], by="ann")
        scene.wait(30)
        (status,) = scene.events("Removal Status")
        assert (status["mode"], status["open"], status["group"]) == ("off", 0, scene.groups["db"])
