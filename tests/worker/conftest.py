"""Workers as processes: small in every run, and as large as they are meant to be with --worker-processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.real import FULL, SMALL, Aws, Processes, Size, aws_process, processes


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--worker-processes", action="store_true", help="2,000 files and 1 GB for workers as processes (some minutes)"
    )
    parser.addoption("--worker-base", default="", help="an image with Python 3.13: the worker's example is run on it")


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    with aws_process() as found:
        yield found


@pytest.fixture
def real(aws: Aws, tmp_path: Path) -> Iterator[Processes]:
    with processes(aws, tmp_path) as found:
        yield found


@pytest.fixture(scope="session")
def size(request: pytest.FixtureRequest) -> Size:
    return FULL if request.config.getoption("worker_processes", default=False) else SMALL
