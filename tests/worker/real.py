"""Workers as processes of this machine, against the simulated AWS as another process."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3

from berthmaster.batch.plan.transitions import committed
from tests.support.batch.worker_ledger import REGION, WorkerLedger
from tests.support.ports import wait_for

ROOT = Path(__file__).parents[2]
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}
TASK = "arn:aws:ecs:eu-central-1:123456789012:task/batch/0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Size:
    """How much is tried. killed: files, workers, and kills. large: MiB of one file."""

    killed: tuple[int, int, int]
    large: int


SMALL = Size(killed=(40, 3, 4), large=128)
FULL = Size(killed=(400, 6, 40), large=1024)


class Metadata(BaseHTTPRequestHandler):
    """ECS's metadata endpoint, of a task whose minute is over: a worker ends as soon as nothing is left."""

    def do_GET(self) -> None:
        """Answer."""
        pulled = (datetime.now(UTC) - timedelta(minutes=2)).isoformat(timespec="microseconds")
        body = json.dumps({"TaskARN": TASK, "PullStartedAt": pulled.replace("+00:00", "123Z")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@dataclass
class Processes:
    """The ledger over HTTP, and workers.

    accepted: by file, the results whose claim was still there. ignored: how many others there were.
    """

    ledger: WorkerLedger
    environment: dict[str, str]
    folder: Path
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    accepted: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    ignored: int = 0
    started: int = 0

    def start(self, command: Sequence[str], *options: str, **environment: str) -> str:
        """Start a worker that runs a command; returns its id."""
        words = [sys.executable, "-m", "berthmaster_worker", *options, "--", *command]
        return self.start_program(words, **environment)

    def start_program(self, words: Sequence[str], **environment: str) -> str:
        """Start a worker by its own command line; returns its id."""
        self.started += 1
        name = f"w{self.started:020x}"
        every = {**self.environment, **self.ledger.environment(name), **environment}
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(words, env=every, cwd=self.folder, stdout=log, stderr=log)  # noqa: S603 - no one else's words in it
        return name

    def container_environment(self) -> dict[str, str]:
        """What a container that is a worker gets."""
        inside = {name: value for name, value in self.environment.items() if name.startswith(("AWS_", "ECS_"))}
        return {**inside, **self.ledger.environment("w-in-a-container")}

    def log(self, name: str) -> str:
        """What a worker has written."""
        return (self.folder / f"{name}.log").read_text()

    def end(self, name: str) -> int:
        """Wait for the end of a worker; its exit code."""
        return self.running.pop(name).wait()

    def most_memory(self, name: str) -> int:
        """Wait for the end of a worker; the most memory that it has had, in MiB."""
        most, process = 0, self.running[name]
        while process.poll() is None:
            # What wait4 says counts this process as well, out of which the worker has come.
            found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
            most = max(most, int(found[1]) // 1024 if found else 0)
            time.sleep(0.05)
        return most

    def kill(self, name: str) -> None:
        """SIGKILL; then release what it has claimed, as batch_reconcile does when its heartbeat has stopped."""
        self.running[name].kill()
        self.end(name)
        self.follow()
        for file in self.ledger.files.in_flight("ocr", until=datetime.now(UTC), most=1000):
            if file.claim and file.claim.owner == name:
                self.ledger.hand_back(file.id)

    def follow(self) -> None:
        """Commit what has ended well, as batch_follow does: if the claim that it names is still there."""
        for one in self.ledger.results():
            file = self.ledger.file(one["file"])
            if file.claim is None or file.claim.lease != one["lease"]:
                self.ignored += 1
            elif one["outcome"] == "exited" and one["exitCode"] == 0:
                self.accepted.setdefault(file.id, []).append({**one, "fence": file.claim.fence})
                now = datetime.now(UTC)
                self.ledger.files.save(committed(file, now, result_of=file.claim.fence, is_published=False))

    def follow_until(self, files: int, seconds: float) -> None:
        """Go on until so many files have their result, or so long."""
        until = time.monotonic() + seconds
        while len(self.accepted) < files and time.monotonic() < until:
            self.follow()
            time.sleep(0.1)


@dataclass
class Aws:
    """The simulated AWS as a process. tests: how many have used it."""

    environment: dict[str, str]
    client: Callable[[str], Any]
    tests: int = 0


@contextmanager
def aws_process() -> Iterator[Aws]:
    """AWS, and the metadata endpoint of tasks."""
    metadata = HTTPServer(("127.0.0.1", 0), Metadata)
    threading.Thread(target=metadata.serve_forever, daemon=True).start()
    port = _free_port()
    endpoint = f"http://127.0.0.1:{port}"
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": endpoint,
        "PYTHONPATH": str(ROOT / "worker"),
        "ECS_CONTAINER_METADATA_URI_V4": f"http://127.0.0.1:{metadata.server_port}",
    }

    @cache
    def client(service: str) -> Any:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        return boto3.client(service, region_name=REGION, endpoint_url=endpoint, **keys)  # type: ignore[call-overload]

    words = [sys.executable, "-m", "tests.worker.aws", str(port)]
    path = os.pathsep.join(str(ROOT / one) for one in ("layers/core", "worker", "."))
    server = subprocess.Popen(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": path})  # noqa: S603 - as above
    try:
        wait_for(server, port)
        yield Aws(environment, client)
    finally:
        server.kill()
        server.wait()
        metadata.shutdown()
        metadata.server_close()


@contextmanager
def processes(aws: Aws, folder: Path) -> Iterator[Processes]:
    """A ledger of its own, and no worker yet; folder: for logs."""
    aws.tests += 1
    ledger = WorkerLedger.create(aws.client, lambda: datetime.now(UTC), f"-{aws.tests}")
    found = Processes(ledger, {**aws.environment, "TMPDIR": str(folder)}, folder)
    try:
        yield found
    finally:
        for process in found.running.values():
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
