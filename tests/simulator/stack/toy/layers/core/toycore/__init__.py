"""Shared by both toy functions: a counter that shows whose module state this is."""

from functools import cache

import boto3

calls = 0


@cache
def client(service: str) -> object:
    return boto3.client(service)


def count() -> int:
    global calls  # noqa: PLW0603 - the very state that must not leak between containers
    calls += 1
    return calls
