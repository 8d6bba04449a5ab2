"""Which companies are simulated, and for how long."""

import pytest

from tests.simulation.security_groups.changes.life import HOURS
from tests.simulation.security_groups.changes.life import SAMPLE as CHANGING
from tests.simulation.security_groups.deployed import SAMPLE as DEPLOYED
from tests.simulation.security_groups.weeks import SAMPLE, SCALED


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    first, _, last = metafunc.config.getoption("--days").partition("-")
    asked = range(int(first), int(last or first) + 1) if first else None
    for name, sample in (("company_seed", SAMPLE), ("deployed_seed", DEPLOYED), ("changing_seed", CHANGING)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, sample if asked is None else asked)


@pytest.fixture
def company_days(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--company-days") or SCALED)


@pytest.fixture
def changing_hours(request: pytest.FixtureRequest) -> float:
    days = request.config.getoption("--company-days")
    return 24 * float(days) if days else HOURS
