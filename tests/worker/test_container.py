"""The example in a container, as in a task: make local-worker."""

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from tests.worker.real import Processes

ROOT = Path(__file__).parents[2]
WORKER = ROOT / "worker"
PACKAGES = WORKER / "build" / "packages"
IMAGE = "berthmaster-worker-example"
PLATFORMS = ("manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
FOR_THE_BASE = ["--python-version", "3.13", "--only-binary=:all:", *(f"--platform={one}" for one in PLATFORMS)]
PARQUET = b"PAR1"


@pytest.fixture
def image(request: pytest.FixtureRequest) -> str:
    base = request.config.getoption("worker_base", default="")
    if not base:
        pytest.skip("--worker-base IMAGE")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", str(PACKAGES)]
    for words in (
        [*pip, *FOR_THE_BASE, "boto3", "pyarrow"],
        [*pip, "--no-deps", str(WORKER)],
        ["docker", "build", "--build-arg", f"BASE={base}", "-f", "worker/example/Dockerfile", "-t", IMAGE, "worker"],
    ):
        subprocess.run(words, cwd=ROOT, check=True)  # noqa: S603 - no one else's words in it
    return IMAGE


def test_the_example_converts_csv_and_rejects_what_is_none(image: str, real: Processes) -> None:
    rows = BytesIO(b"id,name\n" + b"".join(b"%d,row %d\n" % (number, number) for number in range(50_000)))
    table = real.ledger.put("tables/a b.csv", rows.getvalue())
    other = real.ledger.put("tables/photo.csv", b"id,name\n1,2\n3,4,5\n")
    names = [f"{name}={value}" for name, value in real.container_environment().items()]
    variables = [word for name in names for word in ("--env", name)]
    worker = real.start_program(["docker", "run", "--rm", "--network", "host", *variables, image])
    assert real.end(worker) == 0, real.log(worker)
    assert {one["file"]: one["exitCode"] for one in real.ledger.results()} == {table: 0, other: 3}
    ((path, content),) = real.ledger.objects().items()
    assert path == f"{table}/1/table.parquet"
    assert (content[:4], content[-4:]) == (PARQUET, PARQUET)
