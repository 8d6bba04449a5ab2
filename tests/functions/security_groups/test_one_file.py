"""From traffic to a report: files are delivered, credited and summed up, and a request is answered from that."""

import pytest

from tests.support.security_groups.scene import a_security_groups_scene


@pytest.mark.parametrize("parquet", [False, True])
def test_a_rule_that_carried_a_conversation_is_used_and_another_is_not_known_yet(*, parquet: bool) -> None:
    with a_security_groups_scene(parquet=parquet) as scene:
        used, unused = scene.allow("db", 5432, "web"), scene.allow("db", 22, "10.0.0.0/16")
        scene.wait(600)
        opened = scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], 5432)
        scene.wait(3600)
        assert scene.dead_letters() == []
        rules = scene.report()["rules"]
        assert rules[used]["verdict"] == "used"
        assert (rules[used]["peers"], rules[used]["ports"]) == ([f"{opened.source.address}/32"], ["5432-5432"])
        assert rules[unused]["verdict"] == "unknown"
        assert "first seen" in rules[unused]["why"]
        scene.request("Rule Status Requested", rule=used)
        scene.wait(30)
        (status,) = scene.events("Rule Status")
        assert (status["verdict"], status["conversations"]) == ("used", rules[used]["conversations"])
