"""What a cold start spends on imports and clients, against `import boto3; boto3.client("ec2")`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import TYPE_CHECKING

from simulator.cloud import ENVIRONMENT, REGION
from simulator.stack.identities import Place
from simulator.stack.template import Template

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

AIM = 1.35
ROUNDS = 7
BASELINE = """
import boto3, time
boto3.client("ec2")
print([time.process_time()])
"""
# The client is the application's own: a second session would parse botocore's data anew.
FUNCTION = """
import gc, time
import app
imported = time.process_time()
application = app.application()
built = time.process_time()
(clients,) = (one for one in gc.get_objects() if type(one).__name__ == "Clients")
found = time.process_time()
clients.ec2
print([imported, built, built + time.process_time() - found])
"""


@dataclass(frozen=True)
class Cost:
    """CPU milliseconds since the interpreter was started: handler imported, application built, EC2 client made."""

    imported: float
    built: float
    ready: float


@dataclass(frozen=True)
class Report:
    """The cost of each function, and of the baseline."""

    functions: Mapping[str, Cost]
    baseline: float


@cache
def report() -> Report:
    """Start fresh interpreters in turn, so that a busy minute of the machine slows all of them."""
    environments = _environments()
    runs: dict[str, list[list[float]]] = {name: [] for name in ("", *environments)}
    for _ in range(1 + ROUNDS):
        for name, taken in runs.items():
            taken.append(_run(FUNCTION, environments[name]) if name else _run(BASELINE, {}))
    # The first round writes bytecode.
    medians = {name: [1000 * median(step) for step in zip(*taken[1:], strict=True)] for name, taken in runs.items()}
    (baseline,) = medians.pop("")
    return Report({name: Cost(*steps) for name, steps in medians.items()}, baseline)


def _environments() -> dict[str, dict[str, str]]:
    """The variables of each function as the template sets them, and where its code is."""
    template = Template(place=Place("berthmaster", REGION, "123456789012"))
    environments = {}
    for function in template.resources("AWS::Lambda::Function"):
        folder = template.code_folder(function.logical_id)
        variables = function.properties["Environment"]["Variables"]
        path = os.pathsep.join(map(str, (folder, *template.layer_folders())))
        environments[folder.name] = {**{name: str(value) for name, value in variables.items()}, "PYTHONPATH": path}
    return environments


def _run(program: str, environment: Mapping[str, str]) -> list[float]:
    """Run a program in an interpreter that knows nothing of this one."""
    own = {"AWS_CONFIG_FILE": os.devnull, "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION}
    done = subprocess.run(  # noqa: S603 - the program is a constant above
        [sys.executable, "-c", program],
        env={**ENVIRONMENT, **own, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    steps: list[float] = json.loads(done.stdout.splitlines()[-1])
    return steps


def printed(found: Report) -> Iterator[str]:
    """Milliseconds and ratios."""
    yield f"  {f'CPU, median of {ROUNDS} cold starts':30s}  imported     built  with EC2   ratio"
    for name, cost in found.functions.items():
        steps = "".join(f"{taken:7.0f} ms" for taken in (cost.imported, cost.built, cost.ready))
        yield f"  {name:30s}{steps}{cost.ready / found.baseline:8.2f}"
    yield f"  {'baseline: boto3.client("ec2")':50s}{found.baseline:7.0f} ms{1:8.2f}"
    yield f"aim: a ratio of {AIM} at most"
