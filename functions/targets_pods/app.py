"""targets_pods: follows the pods behind Kubernetes Services, every few seconds."""

import functools
import os
from typing import TYPE_CHECKING, Any

from berthmaster import settings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.targets.pods import FollowPods
from berthmaster.targets.settings import PodsSettings
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@functools.cache
def application() -> FollowPods:
    """Settings, clients and clock, once per container."""
    return FollowPods(settings.read(os.environ, PodsSettings), Clients(), Clock())


@logger.inject_lambda_context(clear_state=True)
def handler(_event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """One minute; the schedule's event says only that it is time."""
    return application().run(Invocation.of(context, Clock()))
