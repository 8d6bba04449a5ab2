"""DynamoDB's time to live: moto knows the attribute and deletes nothing.

AWS deletes an item some time after it expired, "typically within a few days" (DynamoDB Developer Guide); here within
hours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.account import Account

SWEEP = 6 * 3600.0


def start_expiry(account: Account, table_name: str, attribute: str) -> None:
    """Delete expired items of a table from now on."""
    table = account.backend("dynamodb").get_table(table_name)

    def sweep() -> None:
        now = account.clock.timestamp()
        for item in table.all_items():
            expires = item.attrs.get(attribute)
            if expires is not None and expires.is_number() and expires.cast_value < now:
                table.delete_item(item.hash_key, item.range_key)

    account.clock.every(SWEEP, sweep)
