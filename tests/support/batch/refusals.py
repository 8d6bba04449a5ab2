"""RunTask as it refuses launches, and S3 as it refuses results."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from simulator.account import Account
from simulator.aws.s3.refusals import Refusal, Refusals
from simulator.errors import AwsError
from tests.support.batch.scene import FOLLOW, RESULTS, BatchScene


@contextmanager
def refusals(scene: BatchScene, code: str, message: str, **members: Any) -> Iterator[None]:
    """RunTask answers every call with an error; members: of its answer."""

    def refuse(_: Account, __: Mapping[str, Any]) -> Any:
        raise AwsError(code, message, **members)

    run_task = scene.cloud.handlers["ecs:RunTask"]
    scene.cloud.handlers["ecs:RunTask"] = refuse
    yield
    scene.cloud.handlers["ecs:RunTask"] = run_task


@contextmanager
def refused(scene: BatchScene, prefix: str, action: str = "s3:PutObject") -> Iterator[None]:
    """Let S3 refuse what batch_follow does below a prefix of the results."""
    refusals = scene.cloud.state(Refusals)
    refusal = Refusal(bucket=RESULTS, action=action, prefix=prefix, caller=FOLLOW)
    refusals.listed.append(refusal)
    yield
    refusals.listed.remove(refusal)
