"""As many tasks as there are visible messages, at most `max` with those that are pending or running.

Ten tasks a call, one call a second, for 50 seconds at most (gchq/sleeper, RunDataProcessingTasks and RunECSTasks).
Inherent: a file waits for the next minute; tasks that are starting are launched for again while their messages are
still visible; no client token, so a repeated invocation launches twice.
"""

from __future__ import annotations

import os
import time
from typing import Any

import boto3

ecs, sqs = boto3.client("ecs"), boto3.client("sqs")
TASKS_A_CALL, CALLS = 10, 50


def handler(_event: dict[str, Any], _context: object) -> None:
    """Launch what is missing."""
    cluster = os.environ["CLUSTER"]
    # Sleeper asks DescribeClusters for both counts.
    pages = ecs.get_paginator("list_tasks").paginate(cluster=cluster)
    pending_or_running = sum(len(page["taskArns"]) for page in pages)
    attributes = sqs.get_queue_attributes(
        QueueUrl=os.environ["QUEUE_URL"], AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    room = int(os.environ["MOST"]) - pending_or_running
    wanted = min(int(attributes["ApproximateNumberOfMessages"]), room)
    for _ in range(CALLS):
        if wanted <= 0:
            return
        count = min(wanted, TASKS_A_CALL)
        answer = ecs.run_task(
            cluster=cluster,
            taskDefinition=os.environ["TASK_DEFINITION"],
            launchType="FARGATE",
            count=count,
            networkConfiguration={"awsvpcConfiguration": {"subnets": os.environ["SUBNETS"].split(",")}},
        )
        if answer["failures"]:
            raise RuntimeError(answer["failures"])
        wanted -= count
        time.sleep(1)
