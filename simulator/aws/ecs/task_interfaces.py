"""The network interfaces of tasks, and which free address the next one gets."""

from __future__ import annotations

from collections import deque
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from moto.moto_api._internal import mock_random

from simulator.aws.ec2.addresses import Interfaces

if TYPE_CHECKING:
    from random import Random

    from simulator.account import Account

FARGATE_ACCOUNT = "578734482556"
REMEMBERED = 64


def create_interface(account: Account, subnet: Any, groups: list[str], *, address: int, attachment: str) -> Any:
    """The interface (moto's) of a Fargate task, attached, with a free `address` of `subnet`; `attachment` is its id."""
    arn = f"arn:aws:ecs:{account.region}:{account.account_id}:attachment/{attachment}"
    eni = account.backend("ec2").create_network_interface(
        subnet, str(IPv4Address(address)), group_ids=groups, description=arn
    )
    eni.status = "in-use"
    eni.requester_managed = True
    eni.requester_id = FARGATE_ACCOUNT
    eni.simulated_attachment = {
        "AttachmentId": f"ela-attach-{mock_random.getrandbits(64):017x}",
        "AttachTime": account.clock.now(),
        "DeleteOnTermination": False,
        "DeviceIndex": 1,
        "InstanceOwnerId": FARGATE_ACCOUNT,
        "NetworkCardIndex": 0,
        "Status": "attached",
    }
    return eni


def delete_interface(account: Account, eni: Any) -> None:
    """Detach and delete the interface of a task; its address is free."""
    account.state(Interfaces).pop(eni.id)


class FreedAddresses:
    """The addresses that tasks gave back, latest first; `reuse` is how often the next task gets one of them.

    AWS does not say how it chooses; users meet the previous owner's address (aws/containers-roadmap#347).
    """

    def __init__(self, rng: Random, reuse: float = 0.5) -> None:
        self.reuse = reuse
        self._rng = rng
        self._freed: dict[str, deque[int]] = {}

    def add(self, subnet: Any, address: str) -> None:
        """Remember an address that is free from now on."""
        self._freed.setdefault(subnet.id, deque(maxlen=REMEMBERED)).append(int(IPv4Address(address)))

    def pick(self, account: Account, subnet: Any) -> int:
        """A free address of `subnet` (moto's), or its error: with probability `reuse` the one freed last."""
        pool = account.state(Interfaces).pool_of(subnet)
        freed = self._freed.get(subnet.id)
        if self._rng.random() < self.reuse:
            while freed:
                address = freed.pop()
                if pool.is_free(address):
                    return address
        return pool.pick()
