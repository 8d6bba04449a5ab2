"""Options of the whole suite."""

import pytest
from hypothesis import settings

# Machines are noisy: how long an example takes proves nothing.
settings.register_profile("berthmaster", deadline=None)
settings.load_profile("berthmaster")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--days", default="", help="seeds of random days, such as 0-200 or 17, a test each")
    parser.addoption(
        "--days-minutes",
        type=float,
        default=3.0,
        help="without --days: minutes of both cores for each automation's random days (default: 3)",
    )
