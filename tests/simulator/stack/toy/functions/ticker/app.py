"""Puts one job on the bus at each tick; fails if a parameter of the stack says so."""

import json
import os

import toycore
from aws_lambda_powertools import Logger

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, object], _context: object) -> dict[str, object]:
    ticks = toycore.count()
    logger.info("tick", ticks=ticks, source=event["source"])
    if "WILD" in os.environ:
        raise RuntimeError("wild")
    detail = json.dumps({"do": "note", "why": ticks})
    entry = {"EventBusName": os.environ["BUS"], "Source": "toy", "DetailType": "Job", "Detail": detail}
    toycore.client("events").put_events(Entries=[entry])
    return {"ticks": ticks}
