"""The simulated AWS for processes, empty: python -m tests.worker.aws PORT."""

import logging
import sys

from werkzeug.serving import run_simple

from simulator.clock import WallClock
from simulator.cloud import Cloud
from simulator.server.endpoint import Endpoint

if __name__ == "__main__":
    with Cloud(clock=WallClock()) as cloud:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        run_simple("127.0.0.1", int(sys.argv[1]), Endpoint(cloud))
