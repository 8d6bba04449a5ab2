"""The package: small enough for every image."""

import re
import tomllib
from pathlib import Path

import berthmaster

WORKER = Path(__file__).parents[2] / "worker"
PROJECT = tomllib.loads((WORKER / "pyproject.toml").read_text())["project"]


def test_it_has_the_version_of_the_application_and_needs_boto3_alone() -> None:
    assert PROJECT["version"] == berthmaster.__version__
    assert [re.match(r"[\w-]+", one)[0] for one in PROJECT["dependencies"]] == ["boto3"]  # type: ignore[index]
    assert PROJECT["requires-python"] == ">=3.10"
