"""The notice about a day's budget."""

from berthmaster.approval import command
from berthmaster.batch.model.budgets import Budget
from berthmaster.batch.model.proposals import Proposal
from berthmaster.notices import Notice


def budget_reached(budget: Budget, proposal: Proposal, launch: float, *, bus: str, region: str) -> Notice:
    """A pipeline launches nothing more today, and a person is asked. launch: what the next one may cost."""
    approve = command(bus, region, "Proposal Approved", proposal=proposal.id, fingerprint=proposal.fingerprint)
    reject = command(bus, region, "Proposal Rejected", proposal=proposal.id, fingerprint=proposal.fingerprint)
    text = (
        f"The pipeline {budget.pipeline} launches no more tasks on {budget.day} (UTC): its tasks have cost"
        f" ${budget.booked:,.2f} so far, those that run may cost ${budget.in_flight:,.2f} until their deadlines, the"
        f" next one ${launch:,.4f}, and `limits.dollarsPerDay` is {budget.limit:,.2f}.\nIts files wait, and tasks that"
        " run go on. It goes on by itself at midnight UTC, or when a document with a higher limit is in force.\n\n"
        f"To let it go on today without a limit:\n{approve}\n\n"
        f"To leave it so, which is what happens without an answer:\n{reject}"
    )
    return Notice(
        "Budget Reached",
        {
            "proposal": proposal.id,
            "fingerprint": proposal.fingerprint,
            "pipeline": budget.pipeline,
            "day": str(budget.day),
            "limit": budget.limit,
            "booked": round(budget.booked, 6),
            "in_flight": round(budget.in_flight, 6),
            "next_launch": round(launch, 6),
            "until": proposal.expires_at.isoformat(),
        },
        subject=f"{budget.pipeline} has reached its budget of {budget.day}",
        text=text,
        is_warning=True,
    )
