# Made from hotplate/_aio/typed.py by tools/make_sync.py: change that one.
"""Reads and writes of one namespace: serializer, near cache and degradation around the calls.

What users call is in `namespace`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hotplate._core import clock
from hotplate._core.near.core import Asked
from hotplate._core.near.sets import Set
from hotplate._core.status import of_item
from hotplate._sync.near import Near, OwnWrite
from hotplate._sync.reading import with_large
from hotplate._sync.state import State
from hotplate._sync.writing import put_whole
from hotplate.errors import CodecError, HotplateError, InternalError
from hotplate.results import Lookup, Miss, Negative, Written, hit_of, miss, negative, written
from hotplate.serializers.base import Place, Serializer, decode_checked
from hotplate.v1 import cache_pb2 as pb
from hotplate.v1 import types_pb2 as types


class Typed:
    """One namespace of a client with a serializer."""

    def __init__(self, state: State, name: str, serializer: Serializer, reads_near: bool) -> None:
        self.state = state
        self.name = name
        self.serializer = serializer
        self._reads_near = reads_near

    @property
    def near(self) -> Near | None:
        """The near cache that its writes concern."""
        return self.state.near(self.name)

    def near_for(self, *, peek: bool = False, wanted: bool = True) -> Near | None:
        """The near cache that may answer a read.

        A read that is to leave no trace, or is turned off, is not answered from there.
        """
        if not self._reads_near or peek or not wanted or self.state.guard.disabled:
            return None
        return self.state.near(self.name)

    def kept(self, near: Near | None, key: str, max_age: float | None = None) -> Lookup[Any] | None:
        """What this process keeps of a key; None: the server has to be asked."""
        kept = None if near is None else near.hit(key, max_age)
        if kept is None or near is None:
            return None
        return kept.lookup(self.serializer, Place(self.name, key), near.options.copy, clock.since_boot())

    def look_up(self, request: pb.GetRequest, near: Near | None) -> Lookup[Any]:
        """Asks the server."""
        asked = None if near is None else near.ask()
        response = self.ask(request)
        if not isinstance(response, Miss):
            response = self.whole(request, response, near, asked)
        return response if isinstance(response, Miss) else self.read(request.key, response)

    def ask(
        self, request: pb.GetRequest, timeout: float | None = None, wanted: Callable[[], bool] | None = None
    ) -> pb.GetResponse | Miss:
        """The server's answer, without what is too large for it: to be made `whole`. A miss when it is away."""
        guard = self.state.guard
        away = self.state.refused()
        if away is not None:
            return away
        try:
            return self.state.calls.get(request, timeout, wanted)
        except HotplateError as error:
            guard.observe(error)
            return guard.degraded(error)

    def whole(
        self, request: pb.GetRequest, response: pb.GetResponse, near: Near | None, asked: Asked | None
    ) -> pb.GetResponse | Miss:
        """The answer with its value, offered to the near cache; a miss when the cache is away meanwhile."""
        guard = self.state.guard
        try:
            response = with_large(self.state.calls, request, response)
        except HotplateError as error:
            guard.observe(error)
            return guard.degraded(error)
        guard.observe(None)
        self.offer(near, asked, request.key, response)
        return response

    def offer(self, near: Near | None, asked: Asked | None, key: str, response: pb.GetResponse) -> None:
        """Lets the near cache keep an answer."""
        if near is not None and asked is not None:
            near.offer(asked, key, response)

    def read(self, key: str, response: pb.GetResponse) -> Lookup[Any]:
        """Turns an answer into what the caller asked for."""
        payload = response.entry.WhichOneof("payload")
        if payload == "negative":
            return negative(response.entry)
        if payload == "value" and response.outcome != pb.GET_OUTCOME_MISS:
            return hit_of(self.decode(key, response.entry), response)
        return miss(response.miss_reason)

    def decode(self, key: str, entry: types.Entry) -> Any:
        """The value of an entry."""
        data = entry.metadata
        place = Place(self.name, key)
        return decode_checked(self.serializer, entry.value, data.content_type, data.encoding, place)

    def as_read(self, key: str, value: Any) -> Any:
        """A computed value as who reads it gets it: what is returned must not depend on whether it was a hit."""
        read = getattr(self.serializer, "as_read", None)
        if read is None:
            return value
        try:
            return read(value, Place(self.name, key))
        except CodecError:
            # It cannot be stored, so nobody reads it.
            return value

    def encode(self, request: pb.PutRequest, value: Any) -> pb.PutRequest:
        """Puts a value into a request."""
        encoded = self.serializer.encode(value, Place(self.name, request.key))
        request.value = encoded.data
        request.content_type = encoded.content_type
        if encoded.labels:
            request.labels.update(encoded.labels)
        return request

    def get_batch(self, near: Near | None, items: Sequence[pb.GetRequest]) -> list[Lookup[Any] | HotplateError]:
        """Finds several values with one call."""
        guard = self.state.guard
        asked = None if near is None else near.ask()
        away = self.state.refused()
        if away is not None:
            return [away for _ in items]
        try:
            answer = self.state.calls.batch_get(pb.BatchGetRequest(namespace=self.name, items=items))
        except HotplateError as error:
            guard.observe(error)
            miss_all = guard.degraded(error, batch=True)
            return [miss_all for _ in items]
        guard.observe(None)
        same_length(len(answer.results), len(items))
        found: list[Lookup[Any] | HotplateError] = []
        for result, item in zip(answer.results, items, strict=True):
            try:
                found.append(self._item(result, item, near, asked))
            except HotplateError as error:
                found.append(error)
        return found

    def _item(
        self, result: pb.BatchGetResult, item: pb.GetRequest, near: Near | None, asked: Asked | None
    ) -> Lookup[Any]:
        if result.HasField("error"):
            raise of_item(result.error)
        if result.HasField("response") and result.response.entry.WhichOneof("payload") != "large":
            self.offer(near, asked, item.key, result.response)
            return self.read(item.key, result.response)
        # Left out of a full answer, or too large for it.
        return self.look_up(item, near)

    def send(self, request: pb.PutRequest) -> Written:
        """Stores one entry."""
        write = self.own_write([Set("key", request.key)])
        try:
            away = self.state.refused(write=True)
            if away is not None:
                return Written("dropped", None, away.reason)
            try:
                answer = put_whole(self.state.calls, request)
            except HotplateError as error:
                self.state.guard.observe(error)
                return Written("dropped", None, self.state.guard.degraded(error, write=True).reason)
            self.state.guard.observe(None)
            if write is not None:
                write.answered()
            return written(answer)
        finally:
            self.wrote(write, [request.key])

    def put_batch(self, items: Sequence[pb.PutRequest]) -> list[Written | HotplateError]:
        """Stores several entries with one call."""
        keys = [item.key for item in items]
        write = self.own_write([Set("key", key) for key in keys])
        guard = self.state.guard
        answer = pb.BatchPutResponse()
        try:
            away = self.state.refused(write=True)
            if away is None:
                try:
                    answer = self.state.calls.batch_put(pb.BatchPutRequest(namespace=self.name, items=items))
                except HotplateError as error:
                    guard.observe(error)
                    away = guard.degraded(error, write=True, batch=True)
            if away is not None:
                return [Written("dropped", None, away.reason) for _ in items]
            guard.observe(None)
            if write is not None:
                write.answered()
        finally:
            self.wrote(write, keys)
        same_length(len(answer.results), len(items))
        return [
            of_item(result.error) if result.HasField("error") else written(result.response) for result in answer.results
        ]

    def own_write(self, sets: Sequence[Set]) -> OwnWrite | None:
        """To be made before something is written."""
        near = self.near
        return None if near is None else near.write(sets)

    def wrote(self, write: OwnWrite | None, keys: Sequence[str]) -> None:
        """A write is over, however it ended: who asks from now on gets nothing that was looked up before."""
        if write is not None:
            write.end()
        for key in keys:
            self.state.flights.outdate(self.name, key)


def same_length(answers: int, items: int) -> None:
    """An answer for each item."""
    if answers != items:
        raise InternalError(f"the server answered {answers} of {items} items of a batch")


def found_value(found: Lookup[Any], default: Any = None) -> Any:
    """The value, when there is one."""
    return default if isinstance(found, (Miss, Negative)) else found.value
