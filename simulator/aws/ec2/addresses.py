"""Which addresses of each subnet are in use, kept up to date as network interfaces are created and deleted.

moto counts addresses when asked and hands out random ones, taken or not. Here a network interface gets a free address
or fails with AWS's error, whatever made it: CreateNetworkInterface, an instance, an endpoint, a simulated task.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address, IPv4Network
from random import Random
from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import EC2ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator.account import Account

PREFIX_SIZE = 16
RESERVED_FIRST = 4
RESERVED = RESERVED_FIRST + 1
GUESSES = 24

type Span = tuple[int, int]


def insufficient_addresses(subnet_id: str) -> EC2ClientError:
    """The error of a subnet that has no address left."""
    message = (
        f"There are not enough free addresses in subnet '{subnet_id}' to satisfy the requested number of instances."
    )
    return EC2ClientError("InsufficientFreeAddressesInSubnet", message)


def insufficient_prefixes() -> EC2ClientError:
    """The error of a subnet that has no free, aligned /28 left."""
    return EC2ClientError(
        "InsufficientCidrBlocks",
        "The specified subnet does not have enough free cidr blocks to satisfy the request.",
    )


class AddressPool:
    """The addresses of one subnet: /32 by /32, and the /28 prefixes delegated whole.

    AWS keeps the first four addresses and the last. Addresses inside a subnet CIDR reservation are never handed out
    unasked; a reservation of type `prefix` is the first place a prefix comes from.
    """

    def __init__(self, subnet: Any, rng: Random, *, explicit_is_free: Callable[[], bool]) -> None:
        network = IPv4Network(subnet.cidr_block)
        self._explicit_is_free = explicit_is_free
        self._subnet = subnet
        self._rng = rng
        self.first = int(network.network_address)
        self.last = int(network.broadcast_address)
        self._singles: set[int] = set()
        self._prefixes: set[int] = set()
        self._use: Counter[int] = Counter()

    @property
    def free(self) -> int:
        """AvailableIpAddressCount: space reserved for prefixes is gone as soon as it is reserved.

        Whether that holds for `explicit` reservations too is not documented: see `Interfaces`.
        """
        reserved = self._reservations("prefix" if self._explicit_is_free() else None)
        singles = self._singles
        if reserved:
            singles = {address for address in singles if not _inside(address, reserved)}
        prefixes = sum(not _inside(base, reserved) for base in self._prefixes)
        size = self.last - self.first + 1
        return size - RESERVED - sum(end - begin + 1 for begin, end in reserved) - len(singles) - PREFIX_SIZE * prefixes

    @property
    def free_prefixes(self) -> int:
        """How many more /28 prefixes fit."""
        return sum(1 for _ in self._free_blocks())

    def is_free(self, address: int) -> bool:
        """Whether an interface could have this address if it asked for it."""
        return self._is_assignable(address) and not self._is_taken(address)

    def take(self, address: int) -> None:
        """Mark one address as used."""
        self._singles.add(address)
        self._use[_block(address)] += 1

    def give_back(self, address: int) -> None:
        """Mark one address as free again."""
        if address in self._singles:
            self._singles.remove(address)
            self._use[_block(address)] -= 1

    def take_any(self) -> int:
        """Use a free address; which one is AWS's choice."""
        address = self.pick()
        self.take(address)
        return address

    def pick(self) -> int:
        """Choose a free address as AWS does: anywhere outside the reservations. Raises its error if there is none."""
        if self.free <= 0:
            raise insufficient_addresses(self._subnet.id)
        reserved = self._reservations()
        for _ in range(GUESSES):
            address = self._rng.randint(self.first + RESERVED_FIRST, self.last - 1)
            if not self._is_taken(address) and not _inside(address, reserved):
                return address
        left = [
            address
            for address in range(self.first + RESERVED_FIRST, self.last)
            if not self._is_taken(address) and not _inside(address, reserved)
        ]
        if not left:
            raise insufficient_addresses(self._subnet.id)
        return self._rng.choice(left)

    def take_prefix(self) -> int:
        """Use a free /28, from a prefix reservation if there is one; returns its first address."""
        blocks = list(self._free_blocks())
        if not blocks:
            raise insufficient_prefixes()
        base = self._rng.choice(blocks)
        self._prefixes.add(base)
        return base

    def give_back_prefix(self, base: int) -> None:
        """Mark a prefix as free again."""
        self._prefixes.discard(base)

    def _free_blocks(self) -> Iterator[int]:
        reserved = self._reservations("prefix")
        everything = self._reservations()
        found = [base for base in self._blocks() if _inside(base, reserved)] if reserved else []
        yield from found or (base for base in self._blocks() if not _inside(base, everything))

    def _blocks(self) -> Iterator[int]:
        begin = -(-(self.first + RESERVED_FIRST) // PREFIX_SIZE) * PREFIX_SIZE
        for base in range(begin, self.last - PREFIX_SIZE + 1, PREFIX_SIZE):
            if not self._use[base] and base not in self._prefixes:
                yield base

    def _is_assignable(self, address: int) -> bool:
        return self.first + RESERVED_FIRST <= address < self.last

    def _is_taken(self, address: int) -> bool:
        return address in self._singles or _block(address) in self._prefixes

    def _reservations(self, kind: str | None = None) -> list[Span]:
        return [
            (int(item.cidr.network_address), int(item.cidr.broadcast_address))
            for item in self._subnet._cidr_reservations
            if isinstance(item.cidr, IPv4Network) and kind in (None, item.reservation_type)
        ]


class Interfaces(dict[str, Any]):
    """moto's table of network interfaces, which also keeps the address pools and knows the interfaces of each subnet.

    An interface added with a taken, reserved or foreign address gets a free one instead.
    explicit_is_free: whether AvailableIpAddressCount includes free addresses in `explicit` reservations.
    """

    def __init__(self, account: Account) -> None:
        super().__init__()
        self._rng = Random(f"{account.seed}:addresses")
        self.explicit_is_free = True
        self._pools: dict[str, AddressPool] = {}
        self._by_subnet: dict[str, dict[str, Any]] = {}
        self._descriptions: dict[str, dict[str, Any]] = {}
        self._described_at = 0

    def pool_of(self, subnet: Any) -> AddressPool:
        """The addresses of one subnet (moto's)."""
        if subnet.id not in self._pools:
            self._pools[subnet.id] = AddressPool(subnet, self._rng, explicit_is_free=lambda: self.explicit_is_free)
        return self._pools[subnet.id]

    def of_subnet(self, subnet_id: str) -> list[Any]:
        """The interfaces in one subnet."""
        return list(self._by_subnet.get(subnet_id, {}).values())

    def descriptions(self, writes: int) -> dict[str, dict[str, Any]]:
        """Descriptions made earlier, by interface; none after more calls that write to EC2 than at the last time."""
        if writes != self._described_at:
            self._descriptions.clear()
            self._described_at = writes
        return self._descriptions

    def __setitem__(self, eni_id: str, eni: Any) -> None:
        pool = self.pool_of(eni.subnet)
        for item in eni.private_ip_addresses:
            item["PrivateIpAddress"] = claim(pool, item.get("PrivateIpAddress"))
        eni.private_ip_address = next(
            (item["PrivateIpAddress"] for item in eni.private_ip_addresses if item.get("Primary")),
            eni.private_ip_addresses[0]["PrivateIpAddress"],
        )
        super().__setitem__(eni_id, eni)
        self._by_subnet.setdefault(eni.subnet.id, {})[eni_id] = eni

    def __delitem__(self, eni_id: str) -> None:
        self._release(self[eni_id])
        super().__delitem__(eni_id)

    def pop(self, eni_id: str, *default: Any) -> Any:
        """Remove an interface and free its addresses."""
        if eni_id in self:
            self._release(self[eni_id])
        return super().pop(eni_id, *default)

    def _release(self, eni: Any) -> None:
        pool = self.pool_of(eni.subnet)
        for item in eni.private_ip_addresses:
            pool.give_back(int(IPv4Address(item["PrivateIpAddress"])))
        for prefix in prefixes_of(eni):
            pool.give_back_prefix(int(IPv4Network(prefix).network_address))
        self._by_subnet[eni.subnet.id].pop(eni.id, None)
        self._descriptions.pop(eni.id, None)


def track_interfaces(account: Account) -> None:
    """Let moto keep its network interfaces in `Interfaces` from now on."""
    interfaces, ec2 = account.state(Interfaces), account.backend("ec2")
    for eni_id, eni in ec2.enis.items():
        interfaces[eni_id] = eni
    ec2.enis = interfaces


def claim(pool: AddressPool, wanted: str | None) -> str:
    """Take `wanted` if it is free, else any free address; returns the address taken."""
    if wanted and pool.is_free(address := int(IPv4Address(wanted))):
        pool.take(address)
        return wanted
    return str(IPv4Address(pool.take_any()))


def prefixes_of(eni: Any) -> list[str]:
    """The /28 prefixes delegated to an interface; moto has no such field, so this simulator adds it."""
    prefixes: list[str] = getattr(eni, "ipv4_prefixes", [])
    return prefixes


def _block(address: int) -> int:
    return address - address % PREFIX_SIZE


def _inside(address: int, spans: list[Span]) -> bool:
    return any(begin <= address <= end for begin, end in spans)
