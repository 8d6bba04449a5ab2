"""The company: whatever happens, no rule is called unused that carried a conversation.

A failure prints the seed; `make days DAYS=<seed>` runs that company again, and `--company-days 14` lets it live longer.
"""

import pytest

from tests.conftest import SAID
from tests.simulation.security_groups.mutations import MUTATIONS
from tests.simulation.security_groups.weeks import SAMPLE, recall, wrong

LEAST_RECALL = 0.75


def test_a_busy_company(request: pytest.FixtureRequest, company_seed: int, company_days: float) -> None:
    assert (company_seed, wrong(company_seed, days=company_days)) == (company_seed, [])
    found = recall(company_seed, company_days)
    request.node.user_properties.append((SAID, f"of the rules that were idle, {found}"))
    # An outage of the log leaves nothing that could be called unused.
    assert found.has_outage or found.share >= LEAST_RECALL
    # Mistakes are made about the same days: to simulate them takes most of the time.
    mistakes = [one for one in MUTATIONS if one.seed == company_seed]
    assert [str(one) for one in mistakes if not one.is_noticed_by(wrong, company_seed)] == []


def test_mistakes_are_made_about_companies_that_are_run_every_time() -> None:
    assert {one.seed for one in MUTATIONS} <= set(SAMPLE)
