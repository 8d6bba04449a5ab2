"""Puts a worker together from its environment, in a real container."""

import json
import logging
import os
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from berthmaster_worker.environment import OneFile, Settings
from berthmaster_worker.errors import Misconfigured
from berthmaster_worker.one_file import process_one
from berthmaster_worker.process import ProcessHost, Start, listen_for_stop
from berthmaster_worker.processing import Processing
from berthmaster_worker.watch import Stop
from berthmaster_worker.worker import Clients, Task, Worker

METADATA = "ECS_CONTAINER_METADATA_URI_V4"
QUICK = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 4})
"""Ledger and queue: a heartbeat that comes after half a minute is of no use."""
PATIENT = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 6})
MISCONFIGURED = 2

log = logging.getLogger("berthmaster_worker")


def run_worker(start: Start, *, with_checkpoints: bool) -> int:
    """Work on what the environment says; returns the exit code of the task."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="berthmaster-worker: %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    host = ProcessHost(start)
    s3 = boto3.client("s3", config=PATIENT)
    try:
        one = OneFile.read(os.environ)
        settings = None if one else Settings.read(os.environ)
    except Misconfigured as error:
        log.error("%s", error)  # noqa: TRY400 - the text says all
        return MISCONFIGURED
    with tempfile.TemporaryDirectory(prefix="berthmaster-", ignore_cleanup_errors=True) as below:
        processing = Processing(host, s3, Path(below), with_checkpoints=with_checkpoints)
        stop = Stop(host, (one or settings or Settings).stop_seconds)
        listen_for_stop(stop.request)
        if one:
            return process_one(host, one, processing, stop)
        clients = Clients(boto3.client("dynamodb", config=QUICK), boto3.client("sqs", config=QUICK), s3)
        assert settings is not None  # noqa: S101 - one of the two was read
        return Worker(host, clients, settings, task=this_task(os.environ), processing=processing, stop=stop).run()


def this_task(environment: Mapping[str, str]) -> Task:
    """The task that this container is in, as ECS's metadata endpoint says."""
    if not environment.get(METADATA):
        return Task()
    try:
        # The address is ECS's own, and no user's.
        with urllib.request.urlopen(f"{environment[METADATA]}/task", timeout=2) as answer:  # noqa: S310
            return task_of(json.load(answer))
    except (OSError, ValueError) as error:
        log.warning("the task's metadata cannot be read: %s", error)
        return Task()


def task_of(metadata: Mapping[str, Any]) -> Task:
    """From the answer of the metadata endpoint, whose times have nanoseconds, which Python does not read."""
    pull = str(metadata.get("PullStartedAt") or "")[:19]
    return Task(
        arn=str(metadata.get("TaskARN") or ""), paid_since=datetime.fromisoformat(f"{pull}+00:00") if pull else None
    )
