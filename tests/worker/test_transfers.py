"""Downloads that break off, and local folders, with S3 at the other end of a real connection."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st

from berthmaster_worker.errors import LostInput
from berthmaster_worker.folders import folders_for
from berthmaster_worker.model import Input
from berthmaster_worker.objects import download

CONTENT = bytes(range(256)) * 8192
BREAKS_AFTER = 300_000
SOURCE = Input(file="1", bucket="incoming", key="a", version_id="", etag="one")


class BrokenS3(BaseHTTPRequestHandler):
    """Sends some of what is wanted and hangs up; `ranges` are the requests, `etag` what the object has by then."""

    ranges: list[str]
    etags: list[str]

    def do_GET(self) -> None:
        """GetObject."""
        self.ranges.append(self.headers.get("Range", ""))
        etag = self.etags.pop(0) if len(self.etags) > 1 else self.etags[0]
        if self.headers["If-Match"] != f'"{etag}"':
            self.send_response(412)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        begin = int((re.findall(r"\d+", self.ranges[-1]) or ["0"])[0])
        left = CONTENT[begin:]
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(left)))
        self.send_header("ETag", f'"{etag}"')
        self.end_headers()
        self.wfile.write(left[:BREAKS_AFTER])

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def broken() -> Iterator[tuple[type[BrokenS3], Any]]:
    handler = type("Handler", (BrokenS3,), {"ranges": [], "etags": ["one"]})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = boto3.client(
        "s3",
        region_name="eu-central-1",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield handler, client
    server.shutdown()
    server.server_close()


def test_a_download_that_breaks_off_is_taken_up_where_it_was(
    broken: tuple[type[BrokenS3], Any], tmp_path: Path
) -> None:
    handler, s3 = broken
    target = tmp_path / "input"
    assert download(s3, SOURCE, target, lambda: None) == len(CONTENT)
    assert target.read_bytes() == CONTENT
    assert handler.ranges[0] == ""
    assert len(handler.ranges) == -(-len(CONTENT) // BREAKS_AFTER)


def test_what_is_overwritten_meanwhile_is_not_mixed(broken: tuple[type[BrokenS3], Any], tmp_path: Path) -> None:
    handler, s3 = broken
    handler.etags[:] = ["one", "one", "two"]
    with pytest.raises(LostInput):
        download(s3, SOURCE, tmp_path / "input", lambda: None)
    assert len(handler.ranges) == 3


@settings(max_examples=30)
@given(st.text(min_size=1, max_size=40) | st.sampled_from(["a/../../etc/passwd", "x.tar.gz", "a\0b.csv", ".", "é.Ж"]))
def test_nothing_of_a_key_but_a_plain_extension_reaches_the_disk(key: str) -> None:
    with folders_for(key, Path("/tmp")) as folders:  # noqa: S108 - a folder of its own is made in it
        folders.input.write_bytes(b"x")
        assert re.fullmatch(r"input(\.[A-Za-z0-9]{1,10})?", folders.input.name)
        locked = folders.output / "locked"
        locked.mkdir()
        (locked / "file").write_bytes(b"x")
        locked.chmod(0)
        root = folders.input.parent
    assert not root.exists()
