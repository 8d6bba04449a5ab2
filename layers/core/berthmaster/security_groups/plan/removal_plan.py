"""What is done with rules that may go: announced, proposed, changed, given back, or left alone."""

from berthmaster.security_groups.plan.removal_announcement import Announcement
from berthmaster.security_groups.plan.removal_approval import Approval
from berthmaster.security_groups.plan.removal_draft import Draft
from berthmaster.security_groups.plan.removal_finish import Finish
from berthmaster.security_groups.plan.removal_review import Review
from berthmaster.security_groups.plan.situation import RemovalPlan, Situation


def plan_removals(situation: Situation) -> RemovalPlan:
    """The steps of one run, each with its reason; the caps hold over all of them.

    What is given back comes before what is gone on with, and both before anything new.
    """
    draft = Draft(situation)
    Review(draft).review()
    finish, approval = Finish(draft), Approval(draft)
    finish.give_back()
    finish.finish()
    approval.approve()
    approval.propose()
    Announcement(draft).announce()
    return draft.plan()
