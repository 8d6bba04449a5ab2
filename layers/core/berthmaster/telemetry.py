"""One logger for all functions, configured by the template's POWERTOOLS_ variables."""

from aws_lambda_powertools import Logger

logger = Logger()
