"""The company while Berthmaster removes rules: nobody is denied anything for long, and what is useless goes.

A failure prints the seed; `make days DAYS=<seed>` runs that life again, and `--company-days 0.5` lets it last longer.
"""

import pytest

from tests.conftest import SAID
from tests.simulation.security_groups.changes.life import SAMPLE, WINDOW, a_life, live_on
from tests.simulation.security_groups.changes.mistakes import MISTAKES

LEAST_RECALL = 0.6


def test_a_busy_company_whose_rules_are_removed(
    request: pytest.FixtureRequest, changing_seed: int, changing_hours: float
) -> None:
    with a_life(changing_seed, changing_hours) as life:
        for _ in life.run(life.company.begun + WINDOW):
            pass
        mistakes = [one for one in MISTAKES if one.seed == changing_seed]
        unnoticed = [str(one) for one in mistakes if not one.is_noticed(life, life.company.end)]
        live_on(life)
        assert (changing_seed, life.at_the_end()) == (changing_seed, [])
        tally = life.tally()
    request.node.user_properties.append((SAID, str(tally)))
    # A run that dies costs a quarter of an hour, which is much where a window lasts for one and a half.
    assert tally.died or tally.recall >= LEAST_RECALL
    assert unnoticed == []


def test_mistakes_are_made_in_lives_that_are_run_every_time() -> None:
    assert {one.seed for one in MISTAKES} <= set(SAMPLE)
