"""How much is run: `--days 0-200` are seeds of random days, a test each; otherwise a budget of time decides.

With `--all-crashes` functions die at every call that writes.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation.days import COUNT, SHARES, Days

AUTOMATIONS = len(list(Path(__file__).parent.glob("*/test_days.py")))
"""They share one budget: with another automation `make test` takes no longer."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "days" not in metafunc.fixturenames:
        return
    if seeds := metafunc.config.getoption("--days"):
        first, _, last = seeds.partition("-")
        numbers = range(int(first), int(last or first) + 1)
        metafunc.parametrize("days", [Days.one(seed) for seed in numbers], ids=map(str, numbers), indirect=True)
    else:
        minutes = metafunc.config.getoption("--days-minutes") / AUTOMATIONS
        shares = [Days.share(number, minutes) for number in range(SHARES)]
        metafunc.parametrize("days", shares, ids=[f"share{number}" for number in range(SHARES)], indirect=True)


@pytest.fixture
def days(request: pytest.FixtureRequest) -> Iterator[Days]:
    yield request.param
    request.node.user_properties.append((COUNT, request.param.count))


@pytest.fixture
def stride(request: pytest.FixtureRequest) -> int:
    """A function dies at one of so many calls that write."""
    return 1 if request.config.getoption("--all-crashes") else 10
