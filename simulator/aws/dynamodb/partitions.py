"""The items of one hash key, kept in order for queries; moto compares and sorts all items of a table each time."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Entry(NamedTuple):
    """An item (moto's) in its place: by the attribute that orders it, then by the table's range key. size: in bytes."""

    value: Any
    range_value: Any
    item: Any
    size: int


place = itemgetter(0, 1)
REBUILT_FROM = 4
"""An order of which more than this fraction may have changed is made anew."""


class _Order:
    def __init__(self, attribute: str) -> None:
        self.attribute = attribute
        self.entries: list[Entry] = []
        self.touched: set[Any] = set()
        self._places: dict[Any, Entry] = {}

    def refresh(self, partition: Partition) -> None:
        if len(self.touched) * REBUILT_FROM > len(partition):
            found = ((key, self._entry(item)) for key, item in partition.items())
            self._places = {key: entry for key, entry in found if entry is not None}
            self.entries = sorted(self._places.values(), key=place)
        else:
            for key in self.touched:
                self._move(key, partition.get(key))
        self.touched.clear()

    def _move(self, key: Any, item: Any) -> None:
        old = self._places.pop(key, None)
        new = None if item is None else self._entry(item)
        if old is not None:
            del self.entries[bisect_left(self.entries, place(old), key=place)]
        if new is not None:
            self._places[key] = new
            insort(self.entries, new, key=place)

    def _entry(self, item: Any) -> Entry | None:
        value = item.attrs.get(self.attribute)
        return None if value is None else Entry(value.cast_value, item.range_key.cast_value, item, item.size())


class Partition(dict[Any, Any]):
    """The items (moto's) of one hash key by range key (moto's).

    What is put in, taken out or looked up may be another when an order is wanted next: moto updates items in place.
    """

    def __init__(self, items: Iterable[tuple[Any, Any]] = ()) -> None:
        super().__init__(items)
        self._orders: dict[str, _Order] = {}

    def ordered_by(self, attribute: str) -> list[Entry]:
        """All items that have this attribute, by it; not to be changed."""
        if attribute not in self._orders:
            order = self._orders[attribute] = _Order(attribute)
            order.touched.update(self)
        order = self._orders[attribute]
        if order.touched:
            order.refresh(self)
        return order.entries

    def __getitem__(self, key: Any) -> Any:
        """An item, which the caller may change."""
        self._touch(key)
        return super().__getitem__(key)

    def __setitem__(self, key: Any, item: Any) -> None:
        """Put an item in."""
        self._touch(key)
        super().__setitem__(key, item)

    def pop(self, key: Any, *default: Any) -> Any:
        """Take an item out."""
        self._touch(key)
        return super().pop(key, *default)

    def _touch(self, key: Any) -> None:
        for order in self._orders.values():
            order.touched.add(key)


def partition_of(table: Any, hash_key: Any) -> Partition:
    """The items of a table (moto's) with a hash key (moto's)."""
    if table.items.default_factory is not Partition:
        table.items = defaultdict(Partition, {key: Partition(items.items()) for key, items in table.items.items()})
    found: Partition = table.items.get(hash_key) or Partition()
    return found
