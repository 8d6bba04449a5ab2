"""Options of the whole suite."""

import gc
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings

from tests.simulation.days import COUNT

SAID = "said"
"""The property of a test report that is printed at the end."""

# Machines are noisy: how long an example takes proves nothing.
settings.register_profile("berthmaster", deadline=None, max_examples=50)
settings.load_profile("berthmaster")

# A simulated account is cyclic garbage of some 100,000 objects in the end; to look for that more often than once in an
# account takes a sixth of the time of all tests.
gc.set_threshold(200_000, 10, 10)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--days", default="", help="seeds of random days, such as 0-200 or 17, a test each")
    parser.addoption(
        "--days-minutes",
        type=float,
        default=0.25,
        help="without --days: minutes of both cores for the random days of all automations together (default: 0.25)",
    )
    parser.addoption(
        "--company-days", default="", help="how many days the companies of security_groups are watched (default: few)"
    )
    parser.addoption(
        "--long", action="store_true", help="the tests that are marked as long, too: `make long` runs them alone"
    )
    parser.addoption(
        "--all-crashes",
        action="store_true",
        help="let functions die at each call that writes, where one of ten is the default",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if not item.get_closest_marker("long")]


def pytest_collection_finish() -> None:
    """Leave what was imported out of every collection of garbage."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    counts: Counter[str] = Counter()
    for report in (one for reports in terminalreporter.stats.values() for one in reports):
        for name, count in getattr(report, "user_properties", ()):
            if name == COUNT and report.when == "teardown":
                counts[report.nodeid.partition("[")[0]] += count
            elif name == SAID and report.when == "teardown":
                terminalreporter.write_line(f"{report.nodeid}: {count}")
    for test, count in sorted(counts.items()):
        terminalreporter.write_line(f"{test}: {count} random days held")
