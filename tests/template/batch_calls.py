"""A scenario of batch that leaves no AWS call out."""

from simulator.calls import Calls
from tests.support.batch.scene import a_batch_scene


def batch_calls() -> Calls:
    """Every call while files come, tasks run and results are committed."""
    with a_batch_scene() as scene:
        scene.put("scans/a.tif")
        scene.settle()
        assert scene.dead_letters() == []
        return scene.cloud.calls
