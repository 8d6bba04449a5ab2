"""security_groups_change: rules are announced, quarantined, revoked and restored."""

import functools
import os
from typing import TYPE_CHECKING, Any

from berthmaster import settings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.own_queue import batch_response
from berthmaster.security_groups.change import Change
from berthmaster.security_groups.settings import ChangeSettings
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@functools.cache
def application() -> Change:
    """Settings, clients and clock, once per container."""
    return Change(settings.read(os.environ, ChangeSettings), Clients(), Clock())


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """One batch of SQS messages, whose failures are reported one by one; or the schedule's event: see what is due."""
    if "Records" not in event:
        application().tick()
        return {}
    bodies = {record["messageId"]: record["body"] for record in event["Records"]}
    failed = application().process(bodies, Invocation.of(context, Clock()))
    for message_id, error in failed.items():
        logger.error("message failed", message_id=message_id, error=repr(error))
    return batch_response(failed)
