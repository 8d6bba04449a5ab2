"""What is published about removals names what people can decide."""

from datetime import timedelta

from berthmaster.security_groups.model.place import Place
from berthmaster.security_groups.model.removals import Origin, Proposal, ProposalKind, Removal, RemovalState
from berthmaster.security_groups.report.removal_notices import restore_proposed
from tests.support.security_groups.removals import BEGIN, GROUP, candidate, rule

REMOVED, RESTORED = (f"security_groups.{GROUP}.{stamp}" for stamp in ("20261102T010600Z", "20261118T110900Z"))


def test_a_proposed_restore_names_its_own_proposal_not_that_of_the_removal() -> None:
    removal = Removal(
        candidate=candidate(rule(1)),
        origin=Origin.PEOPLE,
        state=RemovalState.QUARANTINED,
        announced_at=BEGIN,
        changed_at=BEGIN,
        due_at=BEGIN,
        proposal=REMOVED,
    )
    proposal = Proposal(
        id=RESTORED,
        kind=ProposalKind.RESTORE,
        group=GROUP,
        rules=(removal.rule.id,),
        fingerprint="0123456789ab",
        made_at=BEGIN,
        expires_at=BEGIN + timedelta(days=14),
    )
    notice = restore_proposed(proposal, removal, Place("bus", "eu-central-1"))
    assert notice.detail["proposal"] == RESTORED
    assert RESTORED in notice.text
    assert REMOVED not in notice.text
