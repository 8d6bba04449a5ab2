"""Every key is a file under its own name, or has a state that says why not."""

import pytest

from tests.support.batch.objects import counted
from tests.support.batch.scene import a_batch_scene

PAUSED = {"paused": True}
RAW = [
    "scans/a+b.tif",
    "scans/a b.tif",
    "scans/a%20b.tif",
    "scans/a%2Bb%%.tif",
    "scans/Häfen é e\u0301 😀.tif",
    "scans/\x00\x01\n\t\x7f",
    "scans/../../etc/passwd",
    "scans/$(rm -rf *);`id`'\".tif",
    "scans/" + "k" * 1018,
    "scans/" + "😀" * 254,
    "scans//",
]


def test_keys_are_taken_as_they_are() -> None:
    with a_batch_scene(pipeline=PAUSED) as scene:
        versions = {key: scene.put(key) for key in RAW}
        scene.berthmaster.drain()
        assert {file.key: (file.version_id, file.state) for file in scene.files()} == {
            key: (version, "waiting") for key, version in versions.items()
        }
        assert scene.dead_letters() == []


@pytest.mark.parametrize(
    ("key", "body", "words"),
    [("scans/2026/", b"", "folder marker"), ("scans/empty.tif", b"", "empty"), ("scans/odd/", b"scan", "")],
)
def test_what_has_no_bytes_is_skipped_with_a_reason(key: str, body: bytes, words: str) -> None:
    with a_batch_scene(pipeline=PAUSED) as scene:
        scene.put(key, body)
        scene.berthmaster.drain()
        (file,) = scene.files()
        assert file.state == ("skipped" if words else "waiting")
        assert words in file.reason
        assert [one["key"] for one in scene.events("File Skipped")] == ([key] if words == "empty" else [])


@pytest.mark.parametrize("key", ["other/a.tif", "scans/.berthmaster/attempts/a.tif", "scans", "Scans/a.tif"])
def test_an_object_of_no_pipeline_is_counted_and_not_kept(key: str) -> None:
    with a_batch_scene(pipeline=PAUSED) as scene:
        scene.put(key)
        scene.berthmaster.drain()
        assert scene.files() == []
        assert counted(scene, "ObjectsUnmatched") == 1
