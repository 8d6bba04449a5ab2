"""What security_groups_watch is sent: objects that were created, and nothing else."""

import json
from typing import Any

import pytest

from berthmaster.errors import InvalidEvent
from berthmaster.security_groups.watch_triggers import delivered

CREATED: dict[str, Any] = {
    "source": "aws.s3",
    "detail-type": "Object Created",
    "time": "2026-11-27T12:00:00Z",
    "detail": {"bucket": {"name": "flow-logs"}, "object": {"key": "a/b.log.gz", "etag": "e1", "size": 7}},
}


def test_an_object_is_named_with_its_content_and_size() -> None:
    found = delivered(json.dumps(CREATED))
    assert (found.bucket, found.key, found.etag, found.size) == ("flow-logs", "a/b.log.gz", "e1", 7)


def test_files_of_the_past_that_are_credited_are_none_to_watch() -> None:
    detail = {"bucket": "flow-logs", "key": "a/b.log.gz", "etag": "e1", "size": 7}
    command = CREATED | {"source": "berthmaster", "detail-type": "Read Flow Log", "detail": detail}
    with pytest.raises(InvalidEvent, match="'Read Flow Log' from 'berthmaster' is not known here"):
        delivered(json.dumps(command))


@pytest.mark.parametrize("field", ["key", "etag", "size"])
def test_what_is_missing_is_named(field: str) -> None:
    without = {name: value for name, value in CREATED["detail"]["object"].items() if name != field}
    event = CREATED | {"detail": CREATED["detail"] | {"object": without}}
    with pytest.raises(InvalidEvent, match=rf"detail\.object\.{field}"):
        delivered(json.dumps(event))
