"""Which VPC an event is about, and whether Berthmaster may manage it."""

from collections.abc import Iterator

import pytest

from berthmaster.capacity.model.shortage import Cause, Shortage
from berthmaster.capacity.observe.locate import Locator, is_managed
from berthmaster.clients import Clients
from simulator.cloud import Cloud
from simulator.workload.network import Network
from tests.support.capacity.builders import NOON


@pytest.fixture
def network() -> Iterator[Network]:
    with Cloud() as cloud:
        yield Network.create(cloud, "10.0.0.0/24")


def a_shortage(**where: object) -> Shortage:
    return Shortage(source="a test", time=NOON, cause=Cause.PREFIXES).__replace__(**where)


def test_a_subnet_has_a_vpc_which_is_read_once(network: Network) -> None:
    subnet = network.subnet("a", "10.0.0.0/26")
    locator = Locator(Clients())
    before = len(network.cloud.calls)
    for _ in range(2):
        (located,) = locator.locate([a_shortage(subnet_ids=(subnet,))])
        assert located.vpc_id == network.vpc_id
    assert len(network.cloud.calls) == before + 1


def test_an_interface_has_a_vpc_and_a_subnet(network: Network) -> None:
    subnet = network.subnet("a", "10.0.0.0/26")
    interface = network.cloud.client("ec2").create_network_interface(SubnetId=subnet)["NetworkInterface"]
    (located,) = Locator(Clients()).locate([a_shortage(interface_id=interface["NetworkInterfaceId"])])
    assert (located.vpc_id, located.subnet_ids) == (network.vpc_id, (subnet,))


@pytest.mark.parametrize(
    "where", [{"subnet_ids": ("subnet-0a1b2c3d4e5f60718",)}, {"interface_id": "eni-0a1b2c3d4e5f60718"}, {}]
)
@pytest.mark.usefixtures("network")
def test_what_is_gone_or_not_named_has_no_vpc(where: dict[str, object]) -> None:
    assert Locator(Clients()).locate([a_shortage(**where)]) == []


def test_a_subnet_that_is_gone_does_not_hide_the_others(network: Network) -> None:
    subnet = network.subnet("a", "10.0.0.0/26")
    (located,) = Locator(Clients()).locate([a_shortage(subnet_ids=("subnet-0a1b2c3d4e5f60718", subnet))])
    assert (located.vpc_id, located.subnet_ids) == (network.vpc_id, (subnet,))


def test_signs_of_several_vpcs_are_one_shortage_for_each(network: Network) -> None:
    other = Network.create(network.cloud, "10.1.0.0/24")
    first, second = network.subnet("a", "10.0.0.0/26"), network.subnet("b", "10.0.0.64/26")
    third = other.subnet("a", "10.1.0.0/26")
    signs = [a_shortage(subnet_ids=(first, third)), a_shortage(subnet_ids=(second,)), a_shortage(vpc_id=other.vpc_id)]
    located = Locator(Clients()).locate(signs)
    assert {one.vpc_id: one.subnet_ids for one in located} == {
        network.vpc_id: (first, second),
        other.vpc_id: (third,),
    }


def test_only_a_vpc_with_the_tag_is_managed(network: Network) -> None:
    ec2 = Clients().ec2
    assert is_managed(ec2, network.vpc_id)
    assert not is_managed(ec2, Network.create(network.cloud, "10.1.0.0/24", managed=False).vpc_id)
    assert not is_managed(ec2, "vpc-0a1b2c3d4e5f60718")
