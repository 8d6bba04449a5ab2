"""targets_gate: ECS asks at a stage of a deployment whether it may continue."""

import functools
import os
from typing import TYPE_CHECKING, Any

from berthmaster import settings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.targets.gate import Gate
from berthmaster.targets.settings import GateSettings
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@functools.cache
def application() -> Gate:
    """Settings, clients and clock, once per container."""
    return Gate(settings.read(os.environ, GateSettings), Clients(), Clock())


@logger.inject_lambda_context(clear_state=True, correlation_id_path="executionId")
def handler(event: Any, context: "LambdaContext") -> dict[str, Any]:
    """One call of a deployment lifecycle hook."""
    return application().answer(event, Invocation.of(context, Clock()))
