"""What a watch tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from hotplate.errors import HotplateError
from hotplate.results import Negative, negative
from hotplate.v1 import cache_pb2 as pb
from hotplate.v1 import types_pb2 as types

__all__ = ["WatchItem", "WatchType"]

#: What an item tells. `created`: the watch exists, every change from here on is covered; comes again after each
#: reconnection. `present`: an entry that was there. `synced`: all that was there has been told. `put`, `invalidated`,
#: `marked_stale`, `expired`, `evicted`: of one key. `set_invalidated`: all that `selector` selects was dropped, or
#: marked stale. `progress`: nothing that matters happened up to here. `discontinuity`: changes were lost, copies of
#: entries can no longer be trusted. `lost`: the connection was lost; until `created` comes, copies may be out of date.
WatchType: TypeAlias = Literal[
    "created",
    "present",
    "synced",
    "put",
    "invalidated",
    "marked_stale",
    "expired",
    "evicted",
    "set_invalidated",
    "progress",
    "discontinuity",
    "lost",
]

_EVENTS: Final[dict[int, WatchType]] = {
    pb.EVENT_TYPE_PUT: "put",
    pb.EVENT_TYPE_INVALIDATED: "invalidated",
    pb.EVENT_TYPE_EXPIRED: "expired",
    pb.EVENT_TYPE_EVICTED: "evicted",
    pb.EVENT_TYPE_SET_INVALIDATED: "set_invalidated",
    pb.EVENT_TYPE_MARKED_STALE: "marked_stale",
}
#: Events by their names.
EVENT_TYPES: Final = {name: number for number, name in _EVENTS.items()}

Reader = Callable[[str, types.Entry], Any]


@dataclass(frozen=True, slots=True)
class WatchItem:
    """One thing that a watch tells."""

    type: WatchType
    key: str | None = None
    """The key, where it is about one."""
    selector: types.Selector | None = None
    """What was dropped or marked stale, for `set_invalidated`."""
    reason: str | None = None
    """Why, as the caller said; for `discontinuity` `slow_consumer`, `history_trimmed` or `new_epoch`."""
    client_id: str | None = None
    """Who did it, as the caller named itself."""
    entry: types.Entry | None = None
    """The entry, as far as the watch asked for it."""
    error: HotplateError | None = None
    """What the connection was lost by, for `lost`."""
    _reader: Reader | None = field(default=None, repr=False, compare=False)

    @property
    def value(self) -> Any:
        """The value, for `present` and `put` of a watch with values; None where there is none.

        Raises `CodecError` when the namespace's serializer does not read it.
        """
        if self.entry is None or self.key is None or self._reader is None or not self.entry.HasField("value"):
            return None
        return self._reader(self.key, self.entry)

    @property
    def negative(self) -> Negative | None:
        """The remembered absence or failure, where it is one."""
        if self.entry is None or self.entry.WhichOneof("payload") != "negative":
            return None
        return negative(self.entry)


def items(message: pb.WatchResponse, reader: Reader) -> list[WatchItem]:
    """What one message tells; nothing, for one this client does not know."""
    kind = message.WhichOneof("message")
    if kind == "present":
        return [WatchItem("present", entry.key, entry=entry, _reader=reader) for entry in message.present.entries]
    if kind == "events":
        return [_event(event, reader) for event in message.events.events if event.type in _EVENTS]
    if kind == "discontinuity":
        name = pb.DiscontinuityReason.Name(message.discontinuity.reason)
        return [WatchItem("discontinuity", reason=name.removeprefix("DISCONTINUITY_REASON_").lower())]
    if kind in ("created", "synced", "progress"):
        return [WatchItem(kind)]
    return []


def _event(event: pb.WatchEvent, reader: Reader) -> WatchItem:
    return WatchItem(
        _EVENTS[event.type],
        event.key or None,
        event.selector if event.HasField("selector") else None,
        event.reason or None,
        event.client_id or None,
        event.entry if event.HasField("entry") else None,
        None,
        reader,
    )
