"""capacity_expand: every event that says a VPC may be short of addresses, or decides about it."""

import functools
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from berthmaster.capacity.expand import Expand, Turn
from berthmaster.capacity.settings import ExpandSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@functools.cache
def application() -> Expand:
    """Settings, clients and clock, once per container."""
    return Expand(ExpandSettings.from_environment(os.environ), Clients(), Clock())


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> Any:
    """One batch of SQS messages, each an EventBridge event; failures are reported one by one."""
    deadline = Clock().now() + timedelta(milliseconds=context.get_remaining_time_in_millis())

    def expand(record: "SQSRecord") -> None:
        logger.append_keys(message_id=record.message_id)
        turn = Turn(owner=f"{context.aws_request_id}/{record.message_id}", deadline=deadline)
        try:
            application().handle(record.body, turn)
        except Exception:
            # The processor turns it into a failed item of the batch without a word.
            logger.exception("message failed")
            raise

    return process_partial_response(event=event, record_handler=expand, processor=processor, context=context)
