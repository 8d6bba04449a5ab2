"""batch_reconcile: every minute, whether the ledger, the tasks and the buckets agree."""

import functools
import os
from typing import TYPE_CHECKING, Any

from berthmaster import settings
from berthmaster.batch.reconcile import Reconcile
from berthmaster.batch.settings import ReconcileSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@functools.cache
def application() -> Reconcile:
    """Settings, clients and clock, once per container."""
    return Reconcile(settings.read(os.environ, ReconcileSettings), Clients(), Clock())


@logger.inject_lambda_context(clear_state=True)
def handler(_event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """One run; the schedule's event says only that it is time."""
    return application().run(Invocation.of(context, Clock()))
