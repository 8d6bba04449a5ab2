"""Only with --sam-local: these tests take Docker, and a minute."""

from collections.abc import Iterator

import pytest

from tests.sam_local.containers import Application, aws_on_this_desk


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sam-local", action="store_true", help="run each function with each event in a container")


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    return None if config.getoption("sam_local", default=False) else True


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> Application:
    return Application.build(tmp_path_factory.mktemp("sam"))


@pytest.fixture(scope="session")
def _aws() -> Iterator[None]:
    with aws_on_this_desk():
        yield
