"""security_groups_track: ECS tasks that start and stop, and calls that change interfaces, groups and rules."""

import functools
import os
from typing import TYPE_CHECKING, Any

from berthmaster import settings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.own_queue import batch_response
from berthmaster.security_groups.settings import TrackSettings
from berthmaster.security_groups.track import Track
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@functools.cache
def application() -> Track:
    """Settings, clients and clock, once per container."""
    return Track(settings.read(os.environ, TrackSettings), Clients(), Clock())


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: "LambdaContext") -> dict[str, Any]:
    """One batch of SQS messages, each an EventBridge event, recorded together; invalid ones are reported one by one."""
    bodies = {record["messageId"]: record["body"] for record in event["Records"]}
    failed = application().process(bodies)
    for message_id, error in failed.items():
        logger.error("message failed", message_id=message_id, error=repr(error))
    return batch_response(failed)
