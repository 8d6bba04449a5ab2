"""The way of one file: an object, its event, a task, one result."""

import json

from tests.support.batch.scene import INCOMING, RESULTS, a_batch_scene


def test_a_file_becomes_a_task_and_one_result() -> None:
    with a_batch_scene() as scene:
        version = scene.put("scans/a b+c%20.tif", b"some text")
        scene.settle()
        assert scene.states() == {"scans/a b+c%20.tif": ["committed"]}
        (file,) = scene.files()
        (completed,) = scene.events("File Completed")
        assert (completed["key"], completed["version_id"]) == ("scans/a b+c%20.tif", version)
        assert completed["waited_seconds"] > 0
        assert completed["ran_seconds"] >= 10
        results = scene.objects()
        assert results["ocr/a b+c%20.tif/text.txt"] == b"SOME TEXT"
        manifest = json.loads(results[completed["manifest"]["key"]])
        assert manifest["input"] == {
            "bucket": INCOMING,
            "key": "scans/a b+c%20.tif",
            "version_id": version,
            "etag": file.etag,
            "size": 9,
        }
        (produced,) = manifest["objects"]
        assert results[produced["key"]] == b"SOME TEXT"
        assert manifest["output_bucket"] == RESULTS
        assert scene.dead_letters() == []


def test_a_cluster_without_capacity_providers_will_do() -> None:
    with a_batch_scene() as scene:
        scene.cloud.client("ecs").create_cluster(clusterName="plain")
        scene.put_pipeline(run={"cluster": "plain"})
        scene.put("scans/a.tif")
        scene.settle()
        assert scene.states() == {"scans/a.tif": ["committed"]}
