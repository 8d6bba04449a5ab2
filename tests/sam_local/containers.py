"""`sam build` and `sam local invoke`, as a developer runs them, and an AWS on the desk for them to speak to."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from simulator.server.event_resources import Named
from tests.support.ports import wait_for

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "events"
VARIABLES = EVENTS / "local-env.json"
MACHINE = "host.docker.internal"
BUCKETS = Named.read(EVENTS).buckets
SAM = Path(sys.executable).with_name("sam")
NATIVE = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
ARCHITECTURE = f"Architecture={os.environ.get('ARCHITECTURE') or NATIVE}"
IMAGE = os.environ.get("INVOKE_IMAGE")
ENVIRONMENT = os.environ | {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "SAM_CLI_TELEMETRY": "0",
}


@dataclass(frozen=True)
class Answer:
    """What an invocation returned, and all that it and SAM wrote."""

    value: Any
    log: str

    @property
    def is_error(self) -> bool:
        """Whether the handler raised, or the container could not run it."""
        return isinstance(self.value, dict) and "errorMessage" in self.value


@dataclass(frozen=True)
class Application:
    """The application, built for this machine's processor."""

    template: Path

    @classmethod
    def build(cls, folder: Path) -> "Application":
        """`sam build`, beside and not in .aws-sam: what is deployed from there is for another processor."""
        folders: tuple[str | Path, ...] = ("--build-dir", folder / "build", "--cache-dir", folder / "cache")
        command: list[str | Path] = [SAM, "build", *folders, "--parameter-overrides", ARCHITECTURE]
        subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, check=True)  # noqa: S603 - no one else's words in it
        return cls(folder / "build" / "template.yaml")

    def invoke(self, function: str, event: str) -> Answer:
        """`sam local invoke` with one of the files in events/."""
        command: list[str | Path] = [
            *(SAM, "local", "invoke", function, "--template", self.template, "--parameter-overrides", ARCHITECTURE),
            *("--event", EVENTS / f"{event}.json", "--env-vars", VARIABLES),
            *("--add-host", f"{MACHINE}:host-gateway"),
            # A bucket has a host of its own below the endpoint's.
            *(word for bucket in BUCKETS for word in ("--add-host", f"{bucket}.{MACHINE}:host-gateway")),
            *(("--invoke-image", IMAGE, "--skip-pull-image") if IMAGE else ()),
        ]
        done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise RuntimeError(done.stderr)
        return Answer(value=json.loads(done.stdout.splitlines()[-1]), log=done.stdout + done.stderr)


@contextmanager
def aws_on_this_desk() -> Iterator[None]:
    """The simulator at the address that events/local-env.json gives, with the resources that the events speak of."""
    port = urlsplit(json.loads(VARIABLES.read_text())["Parameters"]["AWS_ENDPOINT_URL"]).port or 80
    command: list[str | Path] = [sys.executable, "-m", "simulator.server", "--port", str(port), "--events", EVENTS]
    server = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT)  # noqa: S603 - as above
    try:
        wait_for(server, port)
        yield
    finally:
        server.terminate()
        server.wait()
