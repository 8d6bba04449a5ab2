"""Rules that are removed and restored while AWS throttles, fails and loses answers, and functions die and overlap.

In the end each rule is what its removal says, and none was lost or made twice.
"""

from contextlib import suppress
from random import Random

import pytest

from berthmaster.items import Conflict
from berthmaster.security_groups.model.removals import Removal, RemovalState
from berthmaster.security_groups.plan.terms import terms_of
from simulator.faults import FaultPlan
from tests.support.security_groups.changes import (
    Described,
    a_scene_of_changes,
    all_described,
    approve,
    change,
    ledger,
    restore,
    revoke,
    rule_now,
    same,
    send,
)
from tests.support.security_groups.scene import SecurityGroupsScene

HEALED_WITHIN = 1500.0
STEPS, LONGEST = 25, 60.0
"""How often something is decided, and seconds until the next time."""


def rules_of(scene: SecurityGroupsScene) -> list[str]:
    scene.manage("web")
    given: list[tuple[str, str]] = [("db", f"10.{number}.0.0/16") for number in range(5)]
    given += [("db", "web"), ("web", "db"), ("web", "10.9.0.0/16")]
    return [scene.allow(group, 443, peer) for group, peer in given]


def decide(scene: SecurityGroupsScene, random: Random, removals: dict[str, Removal], rule: str) -> None:
    """What a run, a rejected packet or an operator may decide about a rule now."""
    removal = removals.get(rule)
    if removal is None:
        approve(scene, rule)
    elif removal.state is RemovalState.QUARANTINED and random.random() < 0.6:
        revoke(scene, rule)
    elif removal.state.is_watched and random.random() < 0.5:
        send(scene, "Restore Rules", rules=[{"group": removal.rule.group, "rule": rule}], why="it was rejected")
    elif removal.state.is_watched:
        restore(scene, rule)
    else:
        change(scene, removal.rule.group)


def wrong(scene: SecurityGroupsScene, rules: list[str], before: dict[str, Described]) -> list[str]:
    """What is not as it must be."""
    removals = {one.rule.id: one for one in ledger(scene).all()}
    after = all_described(scene)
    found = []
    for rule in rules:
        alike = [key for key, one in after.items() if same(before[rule], one)]
        removal = removals.get(rule)
        state = removal.state if removal else RemovalState.WITHDRAWN
        own = rule_now(scene, rule)
        match state:
            case RemovalState.QUARANTINED if removal is not None and removal.inert is not None:
                is_right = alike == [] and own is not None and terms_of(own)[-1] in str(removal.inert)
            case RemovalState.REVOKED:
                is_right = alike == [] and own is None
            case RemovalState.RESTORED | RemovalState.WITHDRAWN:
                is_right = len(alike) == 1
            case _:
                is_right = False
        if not is_right or (removal is not None and removal.unpublished):
            found.append(f"{rule} is {state} {removal and removal.note}: {own}, alike {alike}")
    left = len(after) - len(before)
    return found + ([f"{left} rules more than before"] if left > 0 else [])


@pytest.mark.parametrize("seed", range(3))
def test_each_rule_is_what_its_removal_says_whatever_fails(seed: int) -> None:
    random = Random(f"{seed}:removals")  # noqa: S311 - the seed of a test
    faults = FaultPlan(
        seed=seed,
        throttled=0.03,
        server_error=0.03,
        lost_response=0.03,
        crash=0.02,
        entry_refused=0.05,
        transaction_conflict=0.05,
    )
    with a_scene_of_changes(seed=seed, faults=faults, SecurityGroupsRestoresPerGroup="1000") as scene:
        rules = rules_of(scene)
        before = all_described(scene)
        for _ in range(STEPS):
            removals = {one.rule.id: one for one in ledger(scene).all()}
            for rule in random.sample(rules, 2):
                # The function may have been faster.
                with suppress(Conflict):
                    decide(scene, random, removals, rule)
            scene.wait(random.uniform(1, LONGEST))
        scene.cloud.faults.clear()
        scene.wait(HEALED_WITHIN)
        assert wrong(scene, rules, before) == []
        assert scene.events("Rule Restored")
        assert scene.cloud.faults.crashes
