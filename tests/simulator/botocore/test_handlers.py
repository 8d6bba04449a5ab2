"""Sessions and clients share handlers of events, but nobody sees what another one registers or takes back."""

import copy
from typing import Any

import boto3
import pytest

from simulator.cloud import Cloud

EVENT = "before-parameter-build.ec2.DescribeVpcs"


def registered(heard: list[str], name: str) -> Any:
    """A handler of its own for whoever has this name."""

    def handler(**_: object) -> None:
        heard.append(name)

    return handler


@pytest.mark.parametrize("first", ["session", "client", "copy"])
def test_what_one_registers_no_other_hears(cloud: Cloud, first: str) -> None:
    heard: list[str] = []
    session = boto3.Session(region_name=cloud.region)
    client = session.client("ec2")
    emitters = {"session": session.events, "client": client.meta.events, "copy": copy.copy(client.meta.events)}
    for name in sorted(emitters, key=lambda one: one != first):
        emitters[name].register(EVENT, registered(heard, name))
    for name, emitter in emitters.items():
        heard.clear()
        emitter.emit(EVENT, params={}, model=client.meta.service_model.operation_model("DescribeVpcs"), context={})
        assert heard == [name]
    assert boto3.Session(region_name=cloud.region).client("ec2").describe_vpcs()["Vpcs"]
    assert heard == ["copy"]


def test_what_one_takes_back_others_still_hear(cloud: Cloud) -> None:
    heard: list[str] = []
    handler = registered(heard, "both")
    one = boto3.Session(region_name=cloud.region).events
    one.register("some.event", handler)
    other = copy.copy(one)
    one.unregister("some.event", handler)
    one.emit("some.event")
    assert heard == []
    other.emit("some.event")
    assert heard == ["both"]
