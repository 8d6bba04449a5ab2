"""targets_reconcile: every minute, whether each managed destination has exactly the targets it should have."""

import functools
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.targets.reconcile import Reconcile
from berthmaster.targets.settings import ReconcileSettings
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@functools.cache
def application() -> Reconcile:
    """Settings, clients and clock, once per container."""
    return Reconcile(ReconcileSettings.from_environment(os.environ), Clients(), Clock())


@logger.inject_lambda_context(clear_state=True)
def handler(_event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """One pass; what the schedule says does not matter, only that it is time."""
    turn = Clock().now() + timedelta(milliseconds=context.get_remaining_time_in_millis())
    return application().run(context.aws_request_id, turn)
