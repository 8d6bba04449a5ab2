"""The company with Berthmaster deployed: functions die at any call, and what is recorded says nothing that is wrong.

A failure prints the seed; `make days DAYS=<seed>` runs that company again.
"""

import pytest

from tests.conftest import SAID
from tests.simulation.security_groups.deployed import DAYS, judged

pytestmark = pytest.mark.long

LEAST_RECALL = 0.7


def test_a_busy_company_is_watched(request: pytest.FixtureRequest, deployed_seed: int) -> None:
    wrong, found = judged(deployed_seed, DAYS)
    assert (deployed_seed, wrong) == (deployed_seed, [])
    request.node.user_properties.append((SAID, f"of the rules that were idle, {found}"))
    assert found.share >= LEAST_RECALL
