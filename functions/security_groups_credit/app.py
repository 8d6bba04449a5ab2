"""security_groups_credit: objects that flow logs have delivered."""

import functools
import os
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from berthmaster import settings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.security_groups.credit import Credit
from berthmaster.security_groups.settings import CreditSettings
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@functools.cache
def application() -> Credit:
    """Settings, clients and clock, once per container."""
    return Credit(settings.read(os.environ, CreditSettings), Clients(), Clock())


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> Any:
    """One batch of SQS messages, each about one object; failures are reported one by one."""
    invocation = Invocation.of(context, Clock())

    def credit(record: "SQSRecord") -> None:
        logger.append_keys(message_id=record.message_id)
        try:
            application().handle(record.body, invocation)
        except Exception:
            # The processor turns it into a failed item of the batch and does not log it.
            logger.exception("message failed")
            raise

    return process_partial_response(event=event, record_handler=credit, processor=processor, context=context)
