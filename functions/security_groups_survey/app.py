"""security_groups_survey: every five minutes, who has which interface, address, group and rule."""

import functools
import os
from typing import TYPE_CHECKING, Any

from berthmaster import settings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.security_groups.settings import SurveySettings
from berthmaster.security_groups.survey import Survey
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@functools.cache
def application() -> Survey:
    """Settings, clients and clock, once per container."""
    return Survey(settings.read(os.environ, SurveySettings), Clients(), Clock())


@logger.inject_lambda_context(clear_state=True)
def handler(_event: dict[str, Any], _context: "LambdaContext") -> dict[str, Any]:
    """One survey; the schedule's event says only that it is time."""
    return application().run()
