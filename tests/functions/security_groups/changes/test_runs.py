"""Runs: what is announced, proposed, changed and given back, in every mode."""

from berthmaster.security_groups.model.removals import RemovalState
from tests.support.security_groups.change_scene import a_change_scene


def test_in_enforce_an_unused_rule_goes_in_steps_and_what_is_used_stays() -> None:
    with a_change_scene() as scene:
        announced = scene.until(RemovalState.ANNOUNCED)
        assert announced.owner == "payments"
        scene.until(RemovalState.QUARANTINED)
        assert scene.described()["CidrIpv4"].startswith("192.0.2.")
        scene.until(RemovalState.REVOKED)
        assert scene.described() == {}
        scene.until(RemovalState.CLOSED)
        assert scene.described(scene.used)
        named = ("Removal Announced", "Rule Quarantined", "Rule Revoked", "Removal Closed")
        assert [len(scene.scene.events(one)) for one in named] == [1, 1, 1, 1]
        assert scene.scene.dead_letters() == []
