"""capacity_watch: every five minutes, how many addresses every managed VPC has left, and for how long."""

import functools
import os
from typing import TYPE_CHECKING, Any

from berthmaster import settings
from berthmaster.capacity.settings import WatchSettings
from berthmaster.capacity.watch import Watch
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@functools.cache
def application() -> Watch:
    """Settings, clients and clock, once per container."""
    return Watch(settings.read(os.environ, WatchSettings), Clients(), Clock())


@logger.inject_lambda_context(clear_state=True)
def handler(_event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """One cycle; the content of the schedule's event does not matter."""
    return application().cycle(Invocation.of(context, Clock()).deadline)
