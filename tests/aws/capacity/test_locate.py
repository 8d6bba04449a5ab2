"""Which VPC an event is about, and whether it may be changed."""

from collections.abc import Iterator

import pytest

from berthmaster.capacity.model import Cause
from berthmaster.capacity.observe.locate import Locator
from berthmaster.capacity.triggers import Shortage
from berthmaster.clients import Clients
from simulator.cloud import Cloud
from simulator.workload.network import Network
from tests.support.capacity.builders import NOON


@pytest.fixture
def network() -> Iterator[Network]:
    with Cloud() as cloud:
        yield Network.create(cloud, "10.0.0.0/24")


def a_shortage(**where: object) -> Shortage:
    return Shortage(told_by="a test", time=NOON, cause=Cause.PREFIXES).__replace__(**where)


def test_a_subnet_tells_its_vpc_and_is_asked_for_once(network: Network) -> None:
    subnet = network.subnet("a", "10.0.0.0/26")
    locator = Locator(Clients())
    before = len(network.cloud.calls)
    for _ in range(2):
        located = locator.locate(a_shortage(subnet_ids=(subnet,)))
        assert located is not None
        assert located.vpc_id == network.vpc_id
    assert len(network.cloud.calls) == before + 1


def test_an_interface_tells_its_subnet_too(network: Network) -> None:
    subnet = network.subnet("a", "10.0.0.0/26")
    interface = network.cloud.client("ec2").create_network_interface(SubnetId=subnet)["NetworkInterface"]
    located = Locator(Clients()).locate(a_shortage(interface_id=interface["NetworkInterfaceId"]))
    assert located is not None
    assert (located.vpc_id, located.subnet_ids) == (network.vpc_id, (subnet,))


@pytest.mark.parametrize(
    "where", [{"subnet_ids": ("subnet-0a1b2c3d4e5f60718",)}, {"interface_id": "eni-0a1b2c3d4e5f60718"}, {}]
)
@pytest.mark.usefixtures("network")
def test_what_is_gone_or_not_named_is_nowhere(where: dict[str, object]) -> None:
    assert Locator(Clients()).locate(a_shortage(**where)) is None


def test_only_the_tag_makes_a_vpc_managed(network: Network) -> None:
    locator = Locator(Clients())
    assert locator.is_managed(network.vpc_id)
    assert not locator.is_managed(Network.create(network.cloud, "10.1.0.0/24", managed=False).vpc_id)
    assert not locator.is_managed("vpc-0a1b2c3d4e5f60718")
