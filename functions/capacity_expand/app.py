"""capacity_expand: every event that says a VPC may be short of addresses, and every request about that."""

import functools
import os
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from berthmaster import settings
from berthmaster.capacity.expand import Expand
from berthmaster.capacity.settings import ExpandSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@functools.cache
def application() -> Expand:
    """Settings, clients and clock, once per container."""
    return Expand(settings.read(os.environ, ExpandSettings), Clients(), Clock())


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> Any:
    """One batch of SQS messages, each an EventBridge event; failures are reported one by one."""
    invocation = Invocation.of(context, Clock())

    def expand(record: "SQSRecord") -> None:
        logger.append_keys(message_id=record.message_id)
        try:
            application().handle(record.body, invocation)
        except Exception:
            # The processor turns it into a failed item of the batch and does not log it.
            logger.exception("message failed")
            raise

    # A pause is applied before the work that came with it, and a request does not wait for that work.
    records = sorted(event["Records"], key=lambda record: application().urgency(record["body"]))
    return process_partial_response(
        event={"Records": records}, record_handler=expand, processor=processor, context=context
    )
