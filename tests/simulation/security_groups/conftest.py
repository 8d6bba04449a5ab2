"""Which companies are simulated, and for how long."""

import pytest

from tests.simulation.security_groups.weeks import SAMPLE


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "company_seed" in metafunc.fixturenames:
        first, _, last = metafunc.config.getoption("--days").partition("-")
        seeds = range(int(first), int(last or first) + 1) if first else SAMPLE
        metafunc.parametrize("company_seed", seeds)


@pytest.fixture
def company_days(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--company-days"))
