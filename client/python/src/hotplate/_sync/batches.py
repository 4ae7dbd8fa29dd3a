# Made from hotplate/_aio/batches.py by tools/make_sync.py: change that one.
"""Operations on many keys as several calls: how they are cut, and what becomes of items whose call failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from hotplate._sync.calls import Calls
from hotplate.errors import HotplateError

#: Bytes of the encoded items of one call: the server takes messages of 4 MiB unless it is told otherwise.
_BYTES_MAX: Final = 3_670_016
#: Bytes at most that an item has beside its own in a call: its tag and its length.
_FRAME_BYTES: Final = 6
#: Bytes of a value that every server takes with a call, unless it says otherwise.
_SURE_BYTES: Final = 1 << 20


def each(
    calls: Calls,
    items: Sequence[Any],
    answers: dict[str, Any],
    batch: Callable[[Sequence[Any]], Sequence[Any]],
    alone: Callable[[Any], Any] | None = None,
) -> None:
    """Carries out all items in order, and notes the answer of each under its key.

    What is too large for a batch goes `alone`. What a call fails with is the failure of its items; raised is only what
    all calls failed with, where none did anything.
    """
    failure: HotplateError | None = None
    done_any = False
    at = 0
    while at < len(items):
        taken = items[at : at + _fitting(calls, items, at)]
        try:
            if alone is not None and _size(taken[0]) > _whole_bytes(calls):
                results: Sequence[Any] = [alone(taken[0])]
            else:
                results = batch(taken)
            done_any = True
        except HotplateError as error:
            if calls.takes_fewer(len(taken), error):
                continue
            failure = failure or error
            results = [error] * len(taken)
        answers.update(zip([item.key for item in taken], results, strict=True))
        at += len(taken)
    if failure is not None and not done_any:
        raise failure


def _fitting(calls: Calls, items: Sequence[Any], start: int) -> int:
    """How many items one call may carry, from this one on: at least one."""
    total = 0
    for count, item in enumerate(items[start : start + calls.batch_items]):
        size = _size(item)
        total += item.ByteSize() + _FRAME_BYTES
        if count and (total > _BYTES_MAX or size > _whole_bytes(calls)):
            return count
        if size > _whole_bytes(calls):
            return 1
    return min(calls.batch_items, len(items) - start)


def _whole_bytes(calls: Calls) -> int:
    limits = calls.known_limits
    return (limits.unary_value_bytes_max if limits is not None else 0) or _SURE_BYTES


def _size(item: Any) -> int:
    return len(getattr(item, "value", b""))
