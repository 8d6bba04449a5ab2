"""batch_follow: tasks that start and stop, results of workers, and results to be committed."""

import functools
import os
from typing import TYPE_CHECKING, Any

from berthmaster import settings
from berthmaster.batch.follow import Follow
from berthmaster.batch.settings import FollowSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.own_queue import batch_response
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@functools.cache
def configuration() -> FollowSettings:
    """The environment, read once per container."""
    return settings.read(os.environ, FollowSettings)


@functools.cache
def application() -> Follow:
    """Settings, clients and clock, once per container."""
    return Follow(configuration(), Clients(), Clock())


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """One batch of SQS messages, processed together; failures are reported one by one.

    All messages of a batch are from one queue.
    """
    bodies = {record["messageId"]: record["body"] for record in event["Records"]}
    are_results = event["Records"][0]["eventSourceARN"] == configuration().batch_result_queue_arn
    app = application()
    process = app.process_results if are_results else app.process
    failed = process(bodies, Invocation.of(context, Clock()))
    for message_id, error in failed.items():
        logger.error("message failed", message_id=message_id, error=repr(error))
    return batch_response(failed)
