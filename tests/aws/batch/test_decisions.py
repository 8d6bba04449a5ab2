"""Decisions of operators about proposals: one of two counts, and a copy of it has its effect again."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from berthmaster.approval import Decision
from berthmaster.batch.decisions import Decisions
from berthmaster.batch.ledger.proposals import Proposals
from berthmaster.batch.model.proposals import Kind, Proposal
from berthmaster.batch.plan.proposals import pipeline_of, proposal_id
from berthmaster.clients import Clients
from berthmaster.proposals import Outcome
from simulator.cloud import Cloud
from tests.support.tables import BATCH_TABLE, create_batch_table


@dataclass
class Effects:
    """What decisions have had done."""

    done: list[str] = field(default_factory=list)
    obstacle: str = ""

    def why_not(self, proposal: Proposal) -> str:
        assert proposal
        return self.obstacle

    def approved(self, proposal: Proposal) -> str:
        self.done.append(f"{proposal.pipeline} approved")
        return "it is begun"

    def rejected(self, proposal: Proposal) -> str:
        self.done.append(f"{proposal.pipeline} rejected")
        return "it is rejected"


@dataclass
class Scene:
    """A ledger with one proposal."""

    cloud: Cloud
    proposal: Proposal
    effects: Effects = field(default_factory=Effects)

    @property
    def proposals(self) -> Proposals:
        return Proposals(Clients().dynamodb, BATCH_TABLE)

    def decide(self, outcome: Outcome, fingerprint: str = "", *, proposal: str = "") -> str:
        """What is answered."""
        kinds = {Kind.BACKFILL: self.effects}
        decision = Decision(proposal=proposal or self.proposal.id, outcome=outcome, fingerprint=fingerprint, by="ann")
        answer = Decisions(self.proposals, self.cloud.clock, kinds).answer(decision).detail  # type: ignore[arg-type]
        return str(answer.get("text") or f"no: {answer['reason']}")


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Cloud(seed=3) as cloud:
        create_batch_table(cloud.client("dynamodb"))
        now = cloud.clock.now()
        proposal = Proposal(
            id=proposal_id("scans.v2", now),
            kind=Kind.BACKFILL,
            pipeline="scans.v2",
            fingerprint="0a1b",
            made_at=now,
            expires_at=now + timedelta(days=1),
        )
        assert pipeline_of(proposal.id) == "scans.v2"
        scene = Scene(cloud, proposal)
        assert scene.proposals.make(proposal) == replace(proposal, version=1)
        assert scene.proposals.make(replace(proposal, fingerprint="other")).fingerprint == "0a1b"
        yield scene


def test_of_two_decisions_that_contradict_each_other_the_first_one_counts(scene: Scene) -> None:
    assert scene.decide(Outcome.APPROVED, "0a1b") == "it is begun"
    assert scene.decide(Outcome.REJECTED) == "no: it was approved before by ann"
    assert scene.decide(Outcome.APPROVED) == "it is begun", "the first may have died before it was"
    assert scene.effects.done == ["scans.v2 approved"] * 2


def test_of_two_decisions_at_once_one_counts(scene: Scene) -> None:
    put_item, others = scene.cloud.handlers["dynamodb:PutItem"], [lambda: scene.decide(Outcome.REJECTED)]

    def decide_before(account: object, params: dict[str, object]) -> object:
        if others:
            others.pop()()
        return put_item(account, params)  # type: ignore[arg-type]

    scene.cloud.handlers["dynamodb:PutItem"] = decide_before  # type: ignore[assignment]
    assert scene.decide(Outcome.APPROVED) == "no: it was rejected before by ann"
    assert scene.effects.done == ["scans.v2 rejected"]


def test_what_was_not_proposed_so_or_does_not_stand_is_not_approved(scene: Scene) -> None:
    assert scene.decide(Outcome.APPROVED, "ffff") == "no: the fingerprint is ffff, and that of the proposal is 0a1b"
    other = "batch.scans.v2.20200101T000000Z"
    assert scene.decide(Outcome.APPROVED, proposal=other) == f"no: there is no proposal {other}"
    scene.effects.obstacle = "the mode is observe"
    assert scene.decide(Outcome.APPROVED) == "no: the mode is observe"
    scene.effects.obstacle = ""
    scene.cloud.clock.advance(timedelta(days=1).total_seconds())
    assert "it could be approved until" in scene.decide(Outcome.APPROVED)
    found = scene.proposals.get(scene.proposal.id)
    assert found
    scene.proposals.save(replace(found, superseded="the document has changed"))
    assert scene.decide(Outcome.APPROVED) == "no: the document has changed"
    assert scene.effects.done == []
