"""What clients return, as the protocol writes it."""

from __future__ import annotations

import asyncio
from typing import Any

from values import told

from hotplate import CodecError, Hit, HotplateError, Invalidated, Miss, NearStats, Negative, Written
from hotplate.results import Lookup
from hotplate.watching import WatchItem


class ComputeFailedError(Exception):
    """What a function that is to fail fails with."""


class PanickedError(BaseException):
    """What comes nearest to a panic: as those of libraries below Python, it is no `Exception`."""


def ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)


def found(answer: Lookup[Any]) -> dict[str, Any]:
    said: dict[str, Any] = dict.fromkeys(
        (
            "outcome",
            "value",
            "stale",
            "near",
            "tier",
            "age_ms",
            "fresh_for_ms",
            "usable_for_ms",
            "etag",
            "miss_reason",
            "reason",
            "message",
        )
    )
    if isinstance(answer, Hit):
        said.update(
            outcome="hit",
            value=told(answer.value),
            stale=answer.stale,
            near=answer.near,
            tier=None if answer.tier == "unknown" else answer.tier,
            age_ms=ms(answer.age),
            fresh_for_ms=ms(answer.fresh_for),
            usable_for_ms=ms(answer.usable_for),
            etag=answer.etag,
        )
    elif isinstance(answer, Negative):
        said.update(outcome="negative", reason=answer.reason, message=answer.message, fresh_for_ms=ms(answer.fresh_for))
    elif isinstance(answer, Miss):
        said.update(outcome="miss", miss_reason=answer.reason)
    return said


def written(answer: Written) -> dict[str, Any]:
    return {"outcome": answer.outcome, "etag": answer.etag, "reason": answer.reason}


def invalidated(answer: Invalidated) -> dict[str, Any]:
    return {"outcome": answer.outcome, "matched": answer.matched}


def item(told_item: WatchItem) -> dict[str, Any]:
    selector: dict[str, Any] | None = None
    if told_item.selector is not None:
        kind = told_item.selector.WhichOneof("selector")
        if kind == "all_tags":
            selector = {kind: list(told_item.selector.all_tags.tags)}
        elif kind is not None:
            selector = {kind: getattr(told_item.selector, kind)}
    return {
        "type": told_item.type,
        "key": told_item.key,
        "selector": selector,
        "value": _value(told_item),
        "reason": told_item.reason,
    }


def _value(told_item: WatchItem) -> Any:
    try:
        return told(told_item.value)
    except CodecError:
        # Written by another codec than that of the watch.
        return None if told_item.entry is None else told(told_item.entry.value)


def near_stats(stats: NearStats | None) -> dict[str, Any]:
    if stats is None:
        return {"off": True}
    return {name: getattr(stats, name) for name in NearStats.__slots__}


def failure(error: BaseException) -> dict[str, Any] | None:
    """An error as the protocol has it; None for what no client reports."""
    if isinstance(error, HotplateError):
        return {
            "kind": error.kind,
            "reason": error.reason,
            "field": error.field,
            "message": error.message,
            "retry_after_ms": ms(error.retry_after),
            "details": error.details,
        }
    if isinstance(error, ComputeFailedError):
        return _bare("COMPUTE", str(error))
    if isinstance(error, PanickedError):
        # In threads a caller's own function runs in the caller's own thread: what it raises is not the client's.
        return _bare("COMPUTE", type(error).__name__)
    if isinstance(error, asyncio.CancelledError):
        return _bare("CANCELLED", "the caller gave up")
    return None


def _bare(kind: str, message: str) -> dict[str, Any]:
    return {"kind": kind, "reason": None, "field": None, "message": message, "retry_after_ms": None, "details": {}}
