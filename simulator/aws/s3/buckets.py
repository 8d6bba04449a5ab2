"""Moto's buckets, with their keys in order; moto sorts all keys of a bucket for each page of a listing."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Any

from moto.s3.models import s3_backends
from moto.s3.utils import _VersionedKeyStore

from simulator.aws.s3.errors import no_such_bucket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.account import Account


class OrderedKeys(_VersionedKeyStore):
    """Moto's store of a bucket's versions by key, which knows its keys in order."""

    def __init__(self, store: _VersionedKeyStore) -> None:
        super().__init__()
        self._order: list[str] = sorted(store)
        for key, versions in store.lists():
            dict.__setitem__(self, key, versions)

    def __setitem__(self, key: str, value: Any) -> None:
        """Add a version."""
        self._learn(key)
        super().__setitem__(key, value)

    def setlist(self, key: str, list_: Any) -> None:
        """Replace all versions."""
        self._learn(key)
        super().setlist(key, list_)

    def pop(self, key: str) -> None:  # type: ignore[override]
        """Remove all versions; moto cannot if one of them is a delete marker."""
        super().setlist(key, [])
        dict.pop(self, key)
        del self._order[bisect_left(self._order, key)]

    def beginning_with(self, prefix: str, after: str = "") -> Iterator[tuple[str, list[Any]]]:
        """Key and versions, oldest first, of keys with a prefix that come after another; the store must not change."""
        start = max(bisect_left(self._order, prefix), bisect_left(self._order, f"{after}\0") if after else 0)
        for position in range(start, len(self._order)):
            key = self._order[position]
            if not key.startswith(prefix):
                return
            yield key, self.getlist(key)

    def _learn(self, key: str) -> None:
        if key not in self:
            insort(self._order, key)


def backend(account: Account) -> Any:
    """Moto's own state of S3, which knows no Region."""
    return s3_backends[account.account_id]["aws"]


def bucket_of(account: Account, name: str) -> Any:
    """A bucket (moto's) whose keys are in order."""
    bucket = backend(account).buckets.get(name)
    if bucket is None:
        raise no_such_bucket(name)
    if not isinstance(bucket.keys, OrderedKeys):
        bucket.keys = OrderedKeys(bucket.keys)
    return bucket
