# Made from hotplate/_aio/looking.py by tools/make_sync.py: change that one.
"""What is there, without using it: lifetimes, statistics, listings, explanations."""

from __future__ import annotations

from collections.abc import Iterator

from hotplate._sync.space import Space
from hotplate.errors import HotplateError
from hotplate.keys import AnyKey, key_text
from hotplate.options import get_request
from hotplate.results import NearStats
from hotplate.selectors import AnySelector, gathered
from hotplate.statistics import Stats
from hotplate.ttl import of_wire
from hotplate.v1 import cache_pb2 as pb
from hotplate.v1 import types_pb2 as types


class Looking(Space):
    """The part of a namespace that looks."""

    def exists(self, key: AnyKey) -> bool:
        """Whether there is a fresh entry. Does not count as a use of it. False when the cache is away."""
        return self.ttl(key) is not None

    def ttl(self, key: AnyKey) -> float | None:
        """Seconds for which an entry stays fresh; None when there is none, or the cache is away."""
        space = self._typed
        request = get_request(self._name, key_text(key), peek=True)
        request.view = pb.ENTRY_VIEW_METADATA
        guard = space.state.guard
        if space.state.refused() is not None:
            return None
        try:
            response = space.state.calls.get(request)
        except HotplateError as error:
            guard.observe(error)
            guard.degraded(error)
            return None
        guard.observe(None)
        if response.outcome not in (pb.GET_OUTCOME_HIT, pb.GET_OUTCOME_NEGATIVE):
            return None
        return of_wire(response.entry.metadata.fresh_for)

    def stats(self) -> Stats:
        """Statistics of this namespace since the server started. They have no fallback: a cache that is away raises."""
        answer = self._state_for("stats").calls.stats(pb.StatsRequest(namespace=self._name))
        return Stats.of(answer)

    def explain(self, key: AnyKey, max_events: int = 20) -> pb.ExplainKeyResponse:
        """What a read would say of a key, why, and what happened to it: for people, not for every call."""
        request = pb.ExplainKeyRequest(namespace=self._name, key=key_text(key), max_events=max_events)
        return self._state_for("explain").calls.explain_key(request)

    def entries(self, *selectors: AnySelector, prefix: str | None = None) -> Iterator[types.Entry]:
        """Keys and metadata of what is selected, or of everything, in key order."""
        calls = self._state_for("a listing").calls
        request = pb.ListEntriesRequest(namespace=self._name, page_size=1_000)
        if selectors or prefix is not None:
            request.selectors.extend(gathered(selectors, prefix=prefix))
        while True:
            page = calls.list_entries(request)
            for entry in page.entries:
                yield entry
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def list(self, *selectors: AnySelector, prefix: str | None = None, limit: int = 10_000) -> list[str]:
        """Keys of what is selected, or of everything, in order; at most `limit`."""
        keys: list[str] = []
        for entry in self.entries(*selectors, prefix=prefix):
            if len(keys) >= limit:
                break
            keys.append(entry.key)
        return keys

    def near_stats(self) -> NearStats | None:
        """What the near cache of this namespace did and holds; None where there is none."""
        near = self._client._state.near(self._name)
        return None if near is None else near.stats()
