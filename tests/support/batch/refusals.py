"""RunTask as it refuses launches."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from simulator.account import Account
from simulator.errors import AwsError
from tests.support.batch.scene import BatchScene


@contextmanager
def refusals(scene: BatchScene, code: str, message: str, **members: Any) -> Iterator[None]:
    """RunTask answers every call with an error; members: of its answer."""

    def refuse(_: Account, __: Mapping[str, Any]) -> Any:
        raise AwsError(code, message, **members)

    run_task = scene.cloud.handlers["ecs:RunTask"]
    scene.cloud.handlers["ecs:RunTask"] = refuse
    yield
    scene.cloud.handlers["ecs:RunTask"] = run_task
