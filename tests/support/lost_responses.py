"""Responses that are lost on their way, so that the SDK repeats calls that AWS has carried out."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from simulator.account import Account
from simulator.aws.sqs.messages import send_message
from simulator.calls import caller
from simulator.cloud import Cloud


@contextmanager
def every_message_sent_twice(cloud: Cloud, function: str) -> Iterator[None]:
    """The response to each SendMessage of a function is lost, and the SDK repeats the call."""

    def twice(account: Account, params: Mapping[str, Any]) -> Any:
        if caller() == function:
            send_message(account, params)
        return send_message(account, params)

    cloud.handlers["sqs:SendMessage"] = twice
    yield
    cloud.handlers["sqs:SendMessage"] = send_message
