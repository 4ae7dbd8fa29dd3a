"""CRC-32C (Castagnoli), which proves each piece of a large value and the whole.

With the package `google-crc32c` (extra `crc32c`) it is worked out in C. Without it in Python, but not byte by byte: the
data is cut into lanes of equal length, and each step takes the next byte of all lanes at once, with operations on
`bytes` and large integers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final

_POLY: Final = 0x82F63B78
#: Bytes below which lanes do not pay.
_LANES_MIN: Final = 4_096
#: Bytes that are cut into lanes at once.
_BLOCK: Final = 1 << 20


def _table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLY if value & 1 else 0)
        table.append(value)
    return table


_TABLE: Final = _table()
# The four bytes of each table entry, as tables for `bytes.translate`.
_PLANES: Final = [bytes((value >> shift) & 0xFF for value in _TABLE) for shift in (0, 8, 16, 24)]


def _plain(state: int, data: bytes) -> int:
    for byte in data:
        state = (state >> 8) ^ _TABLE[(state ^ byte) & 0xFF]
    return state


@functools.lru_cache(maxsize=64)
def _shift_tables(length: int) -> tuple[tuple[int, ...], ...]:
    """What `length` zero bytes make of a state, for each value of each of its four bytes."""
    columns = [1 << bit for bit in range(32)]
    # The operator for one zero byte, squared and multiplied.
    step = [_TABLE[column & 0xFF] ^ (column >> 8) for column in columns]
    while length:
        if length & 1:
            columns = [_times(step, column) for column in columns]
        length >>= 1
        if length:
            step = [_times(step, column) for column in step]
    return tuple(tuple(_times(columns, value << shift) for value in range(256)) for shift in (0, 8, 16, 24))


def _times(matrix: list[int], vector: int) -> int:
    total = 0
    for column in matrix:
        if vector & 1:
            total ^= column
        vector >>= 1
        if not vector:
            break
    return total


def _shift(tables: tuple[tuple[int, ...], ...], state: int) -> int:
    low, second, third, high = tables
    return low[state & 0xFF] ^ second[state >> 8 & 0xFF] ^ third[state >> 16 & 0xFF] ^ high[state >> 24]


def _lanes(state: int, block: bytes) -> int:
    """The state after a block, whose length is a multiple of its number of lanes."""
    lanes = 1 << (len(block).bit_length() // 2)
    length = len(block) // lanes
    whole = lanes * length
    planes = [bytes(lanes)] * 4
    for place in range(length):
        column = block[place:whole:length]
        mixed = int.from_bytes(column, "little") ^ int.from_bytes(planes[0], "little")
        index = mixed.to_bytes(lanes, "little")
        shifted = [*planes[1:], b""]
        planes = [_xor(index.translate(table), kept, lanes) for table, kept in zip(_PLANES, shifted, strict=True)]
    tables = _shift_tables(length)
    first, second, third, fourth = planes
    for lane in range(lanes):
        own = first[lane] | second[lane] << 8 | third[lane] << 16 | fourth[lane] << 24
        state = _shift(tables, state) ^ own
    return _plain(state, block[whole:])


def _xor(one: bytes, other: bytes, length: int) -> bytes:
    if not other:
        return one
    return (int.from_bytes(one, "little") ^ int.from_bytes(other, "little")).to_bytes(length, "little")


def python_crc32c(data: bytes) -> int:
    """CRC-32C of data, without help of a C library."""
    state = 0xFFFFFFFF
    for start in range(0, len(data), _BLOCK):
        block = data[start : start + _BLOCK]
        state = _lanes(state, block) if len(block) >= _LANES_MIN else _plain(state, block)
    return state ^ 0xFFFFFFFF


def _chosen() -> Callable[[bytes], int]:
    try:
        import google_crc32c
    except ImportError:
        return python_crc32c
    value: Callable[[bytes], int] = google_crc32c.value
    # Its own fallback works byte by byte.
    return value if google_crc32c.implementation == "c" else python_crc32c


#: CRC-32C of data.
crc32c: Final = _chosen()


def combine(first: int, second: int, second_length: int) -> int:
    """CRC-32C of two pieces in a row, from theirs."""
    return _shift(_shift_tables(second_length), first) ^ second
