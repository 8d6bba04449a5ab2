"""batch_control: parameters that have changed, and requests of operators."""

import functools
import os
from typing import TYPE_CHECKING, Any

from berthmaster import settings
from berthmaster.batch.control import Control
from berthmaster.batch.settings import ControlSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.own_queue import batch_response
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@functools.cache
def application() -> Control:
    """Settings, clients and clock, once per container."""
    return Control(settings.read(os.environ, ControlSettings), Clients(), Clock())


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """One batch of SQS messages; failures are reported one by one."""
    bodies = {record["messageId"]: record["body"] for record in event["Records"]}
    failed = application().process(bodies, Invocation.of(context, Clock()))
    for message_id, error in failed.items():
        logger.error("message failed", message_id=message_id, error=repr(error))
    return batch_response(failed)
