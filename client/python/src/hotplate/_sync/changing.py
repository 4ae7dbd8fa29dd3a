# Made from hotplate/_aio/changing.py by tools/make_sync.py: change that one.
"""Dropping entries, marking them stale and having them fetched anew. What is kept in this process follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from hotplate import observe
from hotplate._core import texts
from hotplate._core.near.sets import DEPENDENTS, Set
from hotplate._sync.space import Space
from hotplate.keys import AnyKey
from hotplate.results import Invalidated, Refreshing
from hotplate.selectors import AnySelector, Selector, gathered
from hotplate.ttl import DurationLike, seconds, wire
from hotplate.v1 import cache_pb2 as pb

_Outcome: TypeAlias = Literal["done", "queued", "disabled"]


class Changing(Space):
    """The part of a namespace that invalidates."""

    def remove(self, key: AnyKey, reason: str = "") -> Invalidated:
        """Drops one entry."""
        return self.invalidate(Selector.key(key), reason=reason)

    def invalidate(
        self,
        *selectors: AnySelector,
        keys: Iterable[AnyKey] = (),
        prefix: str | None = None,
        glob: str | None = None,
        tags: Iterable[str] = (),
        kind: str | None = None,
        everything: bool = False,
        cascade: bool = True,
        reason: str = "",
    ) -> Invalidated:
        """Drops whatever any of 1 to 128 selectors selects; with `cascade` also what was made from it.

        Computations under way in this process that began before are not stored. When the cache is away it is
        remembered. Raises `ResourceExhaustedError` with reason `JOURNAL_FULL` when no more can be remembered.
        """
        chosen = gathered(selectors, keys=keys, prefix=prefix, glob=glob, tags=tags, kind=kind, everything=everything)
        request = pb.InvalidateRequest(selectors=chosen, reason=texts.checked("reason", reason))
        if not cascade:
            request.cascade = False
        return _invalidated(*self._change("invalidate", request))

    def mark_stale(
        self,
        *selectors: AnySelector,
        tags: Iterable[str] = (),
        prefix: str | None = None,
        spread_over: DurationLike | None = None,
        reason: str = "",
    ) -> Invalidated:
        """Marks stale what any of 1 to 128 selectors selects: it is served to who accepts stale values.

        What has no `stale_for` is dropped. `spread_over`, at most 1 h, lets each entry become stale at a moment of its
        own. When the cache is away it is remembered, and dropped later.
        """
        chosen = gathered(selectors, tags=tags, prefix=prefix)
        request = pb.InvalidateRequest(
            selectors=chosen, mode=pb.INVALIDATE_MODE_MARK_STALE, reason=texts.checked("reason", reason)
        )
        if spread_over is not None:
            request.spread_over.CopyFrom(wire(seconds(spread_over)))
        return _invalidated(*self._change("mark_stale", request))

    def refresh(
        self,
        *selectors: AnySelector,
        tags: Iterable[str] = (),
        prefix: str | None = None,
        origin: str = "",
        parameters: Mapping[str, str] | None = None,
    ) -> Refreshing:
        """Marks stale what is selected, and has the server fetch it anew from an origin of the namespace.

        The answer names the job: `join_preload` follows it. When the cache is away it is remembered, and dropped later.
        """
        request = pb.InvalidateRequest(
            selectors=gathered(selectors, tags=tags, prefix=prefix),
            mode=pb.INVALIDATE_MODE_REFRESH,
            refresh=pb.RefreshFrom(
                origin=texts.checked("origin", origin), parameters=texts.checked_map("parameters", parameters or {})
            ),
        )
        outcome, answer = self._change("refresh", request)
        if answer is None:
            return Refreshing("started" if outcome == "done" else outcome)
        return Refreshing("started", answer.matched_count, answer.refreshing_count, answer.refresh_job_id)

    def _change(self, name: str, request: pb.InvalidateRequest) -> tuple[_Outcome, pb.InvalidateResponse | None]:
        space = self._typed
        state = space.state
        request.namespace = self._name
        request.client_id = state.setup.client_id
        with observe.operation(name, self._name) as seen:
            state.flights.outdate(self._name)
            if state.guard.disabled:
                seen.result("disabled")
                return "disabled", None
            # What was made from what is named goes as well, and this client is not told of what it does itself.
            sets = [*(Set.of(selector) for selector in request.selectors), DEPENDENTS]
            write = space.own_write(sets)
            try:
                outcome, answer = state.invalidate(request)
                if answer is not None and write is not None:
                    write.answered()
            finally:
                if write is not None:
                    write.end()
                # What was looked up between the first time and the answer may still be what was dropped. However it
                # ended: one that was remembered, or whose answer was lost, may have been carried out.
                state.flights.outdate(self._name)
            seen.result(outcome)
            return outcome, answer


def _invalidated(outcome: _Outcome, answer: pb.InvalidateResponse | None) -> Invalidated:
    return Invalidated(outcome, None if answer is None else answer.matched_count)
