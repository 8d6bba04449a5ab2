"""Options of the whole suite."""

import pytest
from hypothesis import settings

# Machines are noisy: how long an example takes proves nothing.
settings.register_profile("berthmaster", deadline=None)
settings.load_profile("berthmaster")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", type=int, default=200, help="random seeds of tests/simulation (default: 200)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    seeds = metafunc.config.getoption("--seeds")
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(seeds))
    if "day" in metafunc.fixturenames:
        # Each is of one of two kinds, and cheaper than a day of capacity.
        metafunc.parametrize("day", range(seeds * 3 // 2))
