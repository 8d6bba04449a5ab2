"""targets_pods_reader: reads EndpointSlices and pods from API servers that only a VPC reaches; it calls no AWS API."""

import functools
from typing import TYPE_CHECKING, Any

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.targets.observe.eks_private import PrivateReader
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@functools.cache
def application() -> PrivateReader:
    """Connections and tokens, once per container."""
    return PrivateReader(Clients(), Clock())


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: "LambdaContext") -> dict[str, Any]:
    """One request of targets_pods."""
    return application().respond(event)
