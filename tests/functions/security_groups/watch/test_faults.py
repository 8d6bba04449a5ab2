"""Functions die, calls fail, events come late and twice: whoever is needed comes back once, and nobody else."""

import pytest

from berthmaster.security_groups.model.removals import RemovalState
from simulator.faults import FaultPlan
from tests.support.security_groups.scene import CHANGE, INTERNET, a_security_groups_scene
from tests.support.security_groups.taken_away import UNSCHEDULED, proposed, restored, state_of, take_away

SEEDS = (3,)
HOUR = 3600.0


def faults_of(seed: int) -> FaultPlan:
    return FaultPlan(
        seed=seed,
        throttled=0.05,
        server_error=0.02,
        lost_response=0.02,
        crash=0.02,
        event_duplicated=0.3,
        event_delayed=0.2,
        log_file_late=0.1,
        log_file_doubled=0.1,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_each_rule_that_is_needed_comes_back_once_and_no_other(seed: int) -> None:
    unscheduled = [one for one in UNSCHEDULED if one != CHANGE]
    with a_security_groups_scene(mode="enforce", seed=seed, unscheduled=unscheduled) as scene:
        scene.manage("db")
        needed = {port: scene.allow("db", port, "web" if port % 2 else "10.0.0.0/24") for port in range(6000, 6006)}
        strange = scene.allow("db", 7000, "0.0.0.0/0")
        removals = [take_away(scene, rule, is_revoked=bool(port % 2)) for port, rule in needed.items()]
        asked_about = take_away(scene, strange)
        scene.cloud.faults.plan = faults_of(seed)
        for _ in range(6):
            for port in needed:
                scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], port)
            scene.traffic.connect(INTERNET, scene.interfaces["db"], 7000)
            scene.wait(600)
        scene.cloud.faults.clear()
        scene.wait(2 * HOUR)
        assert [state_of(scene, one) for one in removals] == [RemovalState.RESTORED] * len(removals)
        assert set(restored(scene)) == set(needed.values())
        assert (state_of(scene, asked_about), set(proposed(scene))) == (RemovalState.QUARANTINED, {strange})
        assert scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], 6001).is_conversation
