# Made from hotplate/_aio/space.py by tools/make_sync.py: change that one.
"""What every part of a namespace has: its client, its name, its serializer. What it does is in the parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, cast

from hotplate._core.guard import turned_off
from hotplate._sync.state import State
from hotplate._sync.typed import Typed
from hotplate.options import WriteArgs, put_request
from hotplate.serializers.base import Serializer
from hotplate.v1 import cache_pb2 as pb

if TYPE_CHECKING:
    from hotplate._sync.client import Client


class Space:
    """One namespace of a client with a serializer."""

    def __init__(self, client: Client, name: str, serializer: Serializer, reads_near: bool = True) -> None:
        """Made by the client."""
        self._client = client
        self._name = name or "default"
        self._serializer = serializer
        self._reads_near = reads_near
        self._made: Typed | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    @property
    def client(self) -> Client:
        """Its client."""
        return self._client

    @property
    def serializer(self) -> Serializer:
        """What its values are written with."""
        return self._serializer

    def with_serializer(self, serializer: Serializer) -> Self:
        """The same namespace with another serializer."""
        return type(self)(self._client, self._name, serializer, self._reads_near)

    def without_near_cache(self) -> Self:
        """The same namespace, read from the server every time. Its writes still drop what is kept."""
        return type(self)(self._client, self._name, self._serializer, False)

    @property
    def _typed(self) -> Typed:
        """What reads and writes. Raises when the client was closed."""
        state = self._client._state
        state.guard.check_open()
        made = self._made
        # The state is another one in a forked process.
        if made is None or made.state is not state:
            made = self._made = Typed(state, self._name, self._serializer, self._reads_near)
        return made

    def _state_for(self, what: str) -> State:
        """For calls that have no answer of their own without a cache: raises when it is turned off, or was closed."""
        state = self._client._state
        state.guard.check_open()
        if state.guard.disabled:
            raise turned_off(what)
        return state

    def _put(self, key: str, options: WriteArgs) -> pb.PutRequest:
        client_id = self._client._state.setup.client_id
        return put_request(self._name, key, client_id, cast("Mapping[str, Any]", options))
