"""The worker of Berthmaster's batch pipelines: it takes files, has a command or a callable work on each, and uploads.

>>> import berthmaster_worker
>>> def process(job: berthmaster_worker.Job) -> None:
...     with job.create("text.txt") as text:
...         text.write(recognize(job.input))
>>> if __name__ == "__main__":
...     berthmaster_worker.run(process)
"""

import os
import sys
from typing import NoReturn

from berthmaster_worker.callables import PIPES, KeptProcess, Process, serve
from berthmaster_worker.model import Input, Job

__all__ = ["Input", "Job", "Process", "run"]


def run(process: Process, *, checkpoint: bool = False) -> NoReturn:
    """Work on the files of the pipeline that has started this task, and end the process when nothing is left.

    process: called with each file, in another process than this one, which is started as this one was; it returns an
    exit code as docs/batch.md lists them, or nothing. checkpoint: keep what it leaves in `job.checkpoint` when it is
    stopped (SIGTERM).
    """
    if pipes := os.environ.get(PIPES):
        sys.exit(serve(process, pipes))
    from berthmaster_worker.start import run_worker  # noqa: PLC0415 - boto3, which the kept process does without

    sys.exit(run_worker(KeptProcess(), with_checkpoints=checkpoint))
