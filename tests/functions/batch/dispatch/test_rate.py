"""As fast as the account's rates allow, and no faster."""

from itertools import pairwise

from simulator.aws.ecs.rates import Rates
from simulator.calls import Call
from tests.support.batch.scene import DISPATCH, BatchScene, a_batch_scene

MANY = {"limits": {"tasks": 1000}}


def launches(scene: BatchScene) -> list[Call]:
    """The calls of RunTask by batch_dispatch, in order."""
    return sorted(scene.cloud.calls.of(DISPATCH).named("ecs:RunTask"), key=lambda call: call.at)


def test_a_burst_is_launched_at_the_rate_of_the_account() -> None:
    """RunTask takes 20 calls at once and 20 a second: 500 files would need 24 seconds."""
    with a_batch_scene(pipeline=MANY) as scene:
        for number in range(160):
            scene.put(f"scans/{number}.tif")
        scene.wait(20)
        calls = launches(scene)
        assert {call.outcome for call in calls} == {"ok"}
        assert len(calls) == len({call.params["clientToken"] for call in calls}) == 160
        # A call in some hundreds takes seconds, and delays its own file.
        assert calls[-4].at - calls[0].at <= (160 - 14) / 20 + 1
        assert scene.dead_letters() == []


def test_a_single_file_is_requested_within_seconds() -> None:
    waited = []
    with a_batch_scene() as scene:
        scene.put("scans/first.tif")
        scene.wait(60)
        for number in range(12):
            put_at = scene.cloud.clock.timestamp()
            scene.put(f"scans/{number}.tif")
            scene.wait(7)
            waited.append(launches(scene)[-1].at - put_at)
    assert len(waited) == 12
    assert max(waited) <= 5


def test_a_file_of_another_pipeline_does_not_wait_for_a_burst() -> None:
    with a_batch_scene(pipeline=MANY) as scene:
        scene.put_pipeline("faxes", input={"prefix": "faxes/"}, output={"prefix": "faxed/"})
        for number in range(200):
            scene.put(f"scans/{number}.tif")
        scene.wait(5)
        put_at = scene.cloud.clock.timestamp()
        scene.put("faxes/a.tif")
        scene.wait(15)
        (fax,) = [call for call in launches(scene) if call.params["group"].endswith("_faxes")]
        assert fax.at - put_at <= 12, "also if a call on its way takes seconds"
        scans = [call for call in launches(scene) if call.at > put_at and call is not fax]
        assert len(scans) > 60, "the burst was under way"


def test_a_neighbour_who_uses_half_of_the_rate_is_left_that() -> None:
    with a_batch_scene(pipeline=MANY) as scene:
        bucket = scene.cloud.state(Rates).run_task
        bucket.rate = 10
        for number in range(120):
            scene.put(f"scans/{number}.tif")
        scene.wait(40)
        calls = launches(scene)
        throttled = [call for call in calls if call.outcome == "ThrottlingException"]
        accepted = [call for call in calls if call.outcome == "ok"]
        assert len(accepted) == len({call.params["clientToken"] for call in accepted}) == 120
        assert 0 < len(throttled) <= 12
        assert accepted[-1].at - accepted[0].at <= 1.5 * 120 / 10
        pauses = [later.at - earlier.at for earlier, later in pairwise(accepted)]
        assert max(pauses) <= 3
