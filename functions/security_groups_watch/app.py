"""security_groups_watch: objects that flow logs have delivered, while rules are being removed."""

import functools
import os
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from berthmaster import settings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.security_groups.settings import WatchSettings
from berthmaster.security_groups.watching import Watching
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@functools.cache
def application() -> Watching:
    """Settings, clients and clock, once per container."""
    return Watching(settings.read(os.environ, WatchSettings), Clients(), Clock())


def watch(record: "SQSRecord") -> None:
    """One message about one object."""
    logger.append_keys(message_id=record.message_id)
    try:
        application().handle(record.body)
    except Exception:
        # The processor turns it into a failed item of the batch and does not log it.
        logger.exception("message failed")
        raise


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> Any:
    """One batch of SQS messages; failures are reported one by one."""
    return process_partial_response(event=event, record_handler=watch, processor=processor, context=context)
