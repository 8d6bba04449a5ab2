"""A decision names the proposal it is about; what is approved is an effect, whatever the reasons say."""

import json
import shlex
from dataclasses import dataclass

import pytest

from berthmaster import envelope
from berthmaster.approval import Decision, command, decision_parsers, fingerprint
from berthmaster.errors import InvalidEvent
from berthmaster.proposals import Outcome

PROPOSAL = "capacity.vpc-0a1b2c3d4e5f60718.20261122T113000Z"


def event(detail_type: str, **detail: object) -> str:
    return json.dumps(
        {
            "source": "berthmaster.operator",
            "detail-type": detail_type,
            "time": "2026-11-22T11:30:00Z",
            "detail": detail,
        }
    )


def decision(detail_type: str, **detail: object) -> Decision:
    return envelope.parse(event(detail_type, **detail), decision_parsers("capacity"))


def test_both_decisions_are_read() -> None:
    approved = decision("Proposal Approved", proposal=PROPOSAL, fingerprint="0a1b", by="Ann")
    assert (approved.proposal, approved.outcome, approved.fingerprint, approved.by) == (
        PROPOSAL,
        Outcome.APPROVED,
        "0a1b",
        "Ann",
    )
    assert decision("Proposal Rejected", proposal=PROPOSAL).outcome is Outcome.REJECTED


@pytest.mark.parametrize("detail", [{}, {"proposal": 7}, {"proposal": "targets.shop.20261122T113000Z"}])
def test_a_proposal_of_nobody_is_named(detail: dict[str, object]) -> None:
    with pytest.raises(InvalidEvent) as refused:
        decision("Proposal Approved", **detail)
    assert refused.value.field == "detail.proposal"


def test_a_command_is_what_a_shell_and_the_api_take() -> None:
    words = shlex.split(command("berthmaster", "eu-central-1", "Proposal Approved", proposal=PROPOSAL, by="Ann"))
    assert words[:5] == ["aws", "events", "put-events", "--region", "eu-central-1"]
    (entry,) = json.loads(words[words.index("--entries") + 1])
    assert (entry["EventBusName"], entry["Source"]) == ("berthmaster", "berthmaster.operator")
    assert json.loads(entry["Detail"]) == {"proposal": PROPOSAL, "by": "Ann"}


def test_a_command_with_quotation_marks_and_spaces_is_what_a_shell_takes() -> None:
    words = shlex.split(command("berthmaster", "eu-central-1", "Pause Requested", by='Ann O\'Hara "the" $1'))
    (entry,) = json.loads(words[words.index("--entries") + 1])
    assert json.loads(entry["Detail"]) == {"by": 'Ann O\'Hara "the" $1'}


@dataclass(frozen=True)
class Step:
    subnet: str
    reason: str


def test_a_fingerprint_changes_with_the_effect_and_not_with_the_reasons() -> None:
    assert fingerprint([Step("a", "full")]) == fingerprint([Step("a", "nearly full")])
    assert fingerprint([Step("a", "full")]) != fingerprint([Step("b", "full")])
    assert fingerprint({"b": 1, "a": 2}) == fingerprint({"a": 2, "b": 1})
