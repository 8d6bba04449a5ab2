"""targets_sync: ECS tasks that come and go, and operators' words about them."""

import functools
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.targets.settings import SyncSettings
from berthmaster.targets.sync import Sync
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@functools.cache
def application() -> Sync:
    """Settings, clients and clock, once per container."""
    return Sync(SyncSettings.from_environment(os.environ), Clients(), Clock())


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """One batch of SQS messages, each an EventBridge event, judged together; failures are reported one by one."""
    turn = Clock().now() + timedelta(milliseconds=context.get_remaining_time_in_millis())
    bodies = {record["messageId"]: record["body"] for record in event["Records"]}
    failed = application().process(bodies, turn)
    for message_id, error in failed.items():
        logger.error("message failed", message_id=message_id, error=repr(error))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
