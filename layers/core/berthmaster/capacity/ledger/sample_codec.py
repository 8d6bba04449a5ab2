"""An hour of samples in a few kilobytes.

Layout, little-endian, after one byte that names the format: a zlib stream (which has its own checksum) of the header,
the minutes as offsets from the first, the subnet ids as lines, and two tables, used addresses and blocked prefixes. A
table has one row of 16-bit numbers per minute; each row but the first is XORed with the one before it, because most
subnets hardly change in five minutes and zeros compress to almost nothing.
"""

import struct
import zlib
from array import array
from collections.abc import Sequence

from berthmaster.capacity.ledger.series import Column, UsageHistory
from berthmaster.items import NewerSchema

FORMAT = 1
_HEADER = struct.Struct("<IHII")  # first minute, number of minutes, number of subnets, bytes of ids
_BYTES_PER_SAMPLE = 2


def encode(history: UsageHistory) -> bytes:
    """Pack samples of at least one minute, which span less than 45 days."""
    subnets = sorted(history.used)
    minutes = history.minutes
    ids = "\n".join(subnets).encode()
    body = b"".join(
        (
            _HEADER.pack(minutes[0], len(minutes), len(subnets), len(ids)),
            array("H", (minute - minutes[0] for minute in minutes)).tobytes(),
            ids,
            _rows([history.used[subnet] for subnet in subnets], len(minutes)),
            _rows([history.blocked[subnet] for subnet in subnets], len(minutes)),
        )
    )
    return bytes((FORMAT,)) + zlib.compress(body)


def decode(packed: bytes) -> UsageHistory:
    """Unpack what `encode` has packed; ValueError for anything else."""
    if packed and packed[0] > FORMAT:
        raise NewerSchema(f"has format {packed[0]}, and this version knows {FORMAT}: deploy the version that wrote it")
    if not packed or packed[0] != FORMAT:
        raise ValueError(f"has format {packed[0] if packed else 'none'}, not {FORMAT}")
    try:
        body = zlib.decompress(packed[1:])
        first, length, width, size_of_ids = _HEADER.unpack_from(body)
    except (zlib.error, struct.error) as error:
        raise ValueError(f"is damaged: {error}") from error
    ids_at = _HEADER.size + length * _BYTES_PER_SAMPLE
    rows_at = ids_at + size_of_ids
    table = length * width * _BYTES_PER_SAMPLE
    if len(body) != rows_at + 2 * table:
        raise ValueError(f"is damaged: it has {len(body)} bytes, not {rows_at + 2 * table}")
    minutes = [first + offset for offset in array("H", body[_HEADER.size : ids_at])]
    subnets = body[ids_at:rows_at].decode().split("\n") if width else []
    return UsageHistory(
        minutes,
        _columns(body[rows_at : rows_at + table], subnets, length),
        _columns(body[rows_at + table :], subnets, length),
    )


# array("H") has the byte order of the processor; both of Lambda's architectures are little-endian.
def _rows(columns: Sequence[Column], length: int) -> bytes:
    row_size = len(columns) * _BYTES_PER_SAMPLE
    rows = []
    before = 0
    for minute in range(length):
        row = int.from_bytes(array("H", [column[minute] for column in columns]).tobytes(), "little")
        rows.append((row ^ before).to_bytes(row_size, "little"))
        before = row
    return b"".join(rows)


def _columns(rows: bytes, subnets: Sequence[str], length: int) -> dict[str, Column]:
    width = len(subnets)
    row_size = width * _BYTES_PER_SAMPLE
    flat = array("H")
    row = 0
    for minute in range(length):
        row ^= int.from_bytes(rows[minute * row_size : (minute + 1) * row_size], "little")
        flat.frombytes(row.to_bytes(row_size, "little"))
    return {subnet: flat[place::width] for place, subnet in enumerate(subnets)}
