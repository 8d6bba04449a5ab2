"""AWS on your desk for `sam local invoke`: a server that knows the VPCs, subnets and services that events/ names.

python -m simulator.server --port 5123 --events events/
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from werkzeug.serving import run_simple

from simulator.clock import WallClock
from simulator.cloud import Cloud
from simulator.server.endpoint import Endpoint
from simulator.server.event_resources import Named, seed
from simulator.stack.template import ROOT

EVENTS = ROOT / "events"


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m simulator.server", description=__doc__)
    parser.add_argument("--host", default="0.0.0.0", help="containers come from outside")  # noqa: S104
    parser.add_argument("--port", type=int, default=5123)
    parser.add_argument("--events", type=Path, default=EVENTS, help="folder of the events whose ids must resolve")
    arguments = parser.parse_args()
    named = Named.read(arguments.events)
    with Cloud(region=named.region, clock=WallClock(), association_delay=3.0) as cloud:
        seed(cloud, named)
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        print(f"AWS is on port {arguments.port} with {', '.join(named.vpcs)}: {', '.join(named.subnets)}", flush=True)
        run_simple(arguments.host, arguments.port, Endpoint(cloud))


if __name__ == "__main__":
    main()
