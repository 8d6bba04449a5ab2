"""What was in a bucket before is counted, proposed, and processed behind all else once it is approved."""

from collections import Counter

import pytest

from berthmaster.batch.model.files import State
from tests.support.batch.backfills import a_scene_with_history, approve, request, wait_for


@pytest.mark.parametrize("versioned", [True, False])
def test_objects_from_before_are_counted_and_processed_once_approved(*, versioned: bool) -> None:
    with a_scene_with_history(12, versioned=versioned) as scene:
        scene.put("scans/empty.tif", b"")
        scene.settle()
        proposed = request(scene)
        assert (proposed["files"], proposed["bytes"], proposed["known"], proposed["outside"]) == (12, 74, 0, 1)
        assert scene.states() == {"scans/empty.tif": ["skipped"]}, "nothing is received yet"
        assert "12 files are received" in approve(scene, proposed)
        done = wait_for(scene, "Backfill Completed")
        assert (done["planned"], done["files"], done["bytes"], done["failed"]) == (12, 12, 74, 0)
        scene.settle()
        assert Counter(file.state for file in scene.files()) == {State.COMMITTED: 12, State.SKIPPED: 1}
        assert len(scene.events("File Completed")) == 12
        scene.wait(300)
        again = request(scene)
        assert (again["files"], again["known"], again["empty"]) == (0, 12, 1)
        assert "there is nothing to do" in approve(scene, again)
        assert scene.dead_letters() == []
