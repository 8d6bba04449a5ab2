"""Runs a command on each file of a pipeline.

berthmaster-worker [--checkpoint] -- COMMAND …

In the words of the command, {input} stands for the path of the file, {output} for an empty
folder, of which all that is in it in the end is the result, and {checkpoint} for a folder whose content the next
attempt at the file finds again if the command is stopped. The same paths are in BERTHMASTER_INPUT, BERTHMASTER_OUTPUT
and BERTHMASTER_CHECKPOINT.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence

from berthmaster_worker.process import Command
from berthmaster_worker.start import run_worker


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="berthmaster-worker", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", action="store_true", help="keep what the command leaves when it is stopped")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    given = parser.parse_args(arguments)
    if shutil.which(given.command[0]) is None:
        # Known before a file is claimed that would be charged an attempt.
        parser.error(f"there is no program {given.command[0]!r}")
    command = Command(given.command)
    return run_worker(command, with_checkpoints=given.checkpoint or command.names_checkpoint)


if __name__ == "__main__":
    sys.exit(main())
