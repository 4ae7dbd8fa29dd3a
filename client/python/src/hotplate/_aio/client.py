"""The client: what all namespaces of one set of connections share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from hotplate import forks, observe
from hotplate._aio.calls import AsyncCalls
from hotplate._aio.namespace import AsyncNamespace
from hotplate._aio.state import State
from hotplate._aio.transport import Transport
from hotplate._core import environment, texts
from hotplate._core.setup import COMPUTATIONS_MAX, CONNECTIONS_MAX, JOURNAL_MAX, Setup, Tls, Token, setup
from hotplate.near import NearOptions
from hotplate.profile import Profile
from hotplate.results import DegradationCounts
from hotplate.serializers.base import Serializer
from hotplate.serializers.json import Json
from hotplate.ttl import DurationLike

_JSON = Json()
_log = logging.getLogger("hotplate")


class AsyncClient:
    """A cache, wherever it runs. Make one for each process, and close it at its end.

    Connections are opened when they are first used, so this succeeds while the server is down. It may be used
    from many threads at once, and by one event loop after the other. What a fork means for it is in the README.

    ```python
    async with AsyncClient("hotplate://127.0.0.1:7070/ml") as client:
        ml = client.namespace()
        metrics = await ml.get_or_compute(Key("model", "metrics").id("abc"), train, ttl=TTL.LONG)
    ```
    """

    def __init__(
        self,
        url: str | Sequence[str] | None = None,
        *,
        namespace: str | None = None,
        serializer: Serializer | None = None,
        token: Token | None = None,
        allow_insecure_token: bool = False,
        tls: Tls | bool | None = None,
        profile: Profile | str | None = None,
        timeout: DurationLike | None = None,
        on_error: Literal["miss", "raise"] = "miss",
        disabled: bool = False,
        journal_max: int = JOURNAL_MAX,
        computations_max: int = COMPUTATIONS_MAX,
        connections_max: int = CONNECTIONS_MAX,
        client_id: str | None = None,
        near_cache: NearOptions | int | str | None = None,
        near_caches: Mapping[str, NearOptions | int | str | None] | None = None,
        on_state_change: Callable[[bool], None] | None = None,
    ) -> None:
        """Checks the settings; raises `ConfigurationError` with what to change.

        - `url`: `hotplate://host:7070/namespace?timeout=250ms`, `https://…` or `host:port`; calls take turns between
          several. Without one, `hotplate://127.0.0.1:7070`.
        - `namespace`: the default one; without it the path of the address, else `default`.
        - `serializer`: what values are written with, unless a namespace says otherwise; `Json()`.
        - `token`: the bearer token, or a function that gives it for each call. It is never printed. Without TLS it is
          refused for another host than this machine, unless `allow_insecure_token`. The function is called before every
          try of every call, so it gives what it has at hand; while it fails, the cache counts as away.
          On an event loop it may be a coroutine function; a plain one holds the loop up while it runs.
        - `tls`: True for the certificate authorities that come with grpcio, or `Tls` with your own.
        - `profile`: the timeouts for where this runs; `timeout` is instead the deadline of every call.
        - `on_error`: `miss` goes on without a cache that is away; `raise` raises its failures.
        - `disabled`: every read is a miss, every write is dropped. `HOTPLATE_DISABLE=1` does the same for a process.
        - `journal_max`: invalidations remembered while the server is away; past that an invalidation raises.
        - `computations_max`: computations of `get_or_compute` that run at once; others wait for their turn.
        - `connections_max`: connections for calls, to all servers together, 1 to 64.
        - `client_id`: the name this client writes under, at most 128 bytes; random.
        - `near_cache`: keeps values in this process, in every namespace that `near_caches` does not name.
        - `on_state_change`: called with whether the cache is there, each time that changes; must not block.
        """
        self._setup: Setup = setup(
            url,
            namespace=namespace,
            token=token,
            allow_insecure_token=allow_insecure_token,
            tls=tls,
            profile=profile,
            timeout=timeout,
            on_error=on_error,
            disabled=disabled,
            journal_max=journal_max,
            computations_max=computations_max,
            connections_max=connections_max,
            client_id=client_id,
            near_cache=near_cache,
            near_caches=near_caches,
            on_state_change=on_state_change,
        )
        self._serializer = serializer or _JSON
        self._state = self._new_state()
        forks.remember(self)

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """A client set up by the environment; what is given in code holds instead.

        `HOTPLATE_URL` (several with commas), `HOTPLATE_TOKEN` or `HOTPLATE_TOKEN_FILE`, `HOTPLATE_NAMESPACE`,
        `HOTPLATE_TIMEOUT`, `HOTPLATE_CLIENT_PROFILE`, `HOTPLATE_CA_FILE`, `HOTPLATE_DISABLE`.
        """
        found: dict[str, Any] = {
            "url": environment.urls() or None,
            "namespace": environment.variable("HOTPLATE_NAMESPACE"),
            "token": None if "token" in settings else environment.token(),
            "timeout": environment.variable("HOTPLATE_TIMEOUT"),
            "profile": environment.variable("HOTPLATE_CLIENT_PROFILE"),
        }
        ca_file = environment.variable("HOTPLATE_CA_FILE")
        if ca_file is not None:
            found["tls"] = Tls(ca=Path(ca_file))
        return cls(**{**{name: value for name, value in found.items() if value is not None}, **settings})

    def namespace(self, name: str | None = None, *, serializer: Serializer | None = None) -> AsyncNamespace:
        """A namespace, by default the one this client was set up with."""
        named = texts.checked("namespace", name or self._setup.namespace)
        return AsyncNamespace(self, named, serializer or self._serializer)

    @property
    def namespace_name(self) -> str:
        """Name of the default namespace."""
        return self._setup.namespace

    @property
    def client_id(self) -> str:
        """The name this client writes under."""
        return self._setup.client_id

    @property
    def calls(self) -> AsyncCalls:
        """The RPCs as they are, without serializers or degradation."""
        return self._state.calls

    @property
    def available(self) -> bool:
        """Whether the cache is worth asking: not turned off, and not found to be away."""
        return not self._setup.disabled and self._state.guard.breaker.available

    @property
    def degradation(self) -> DegradationCounts:
        """How often this client went on without the cache."""
        return self._state.guard.counts()

    @property
    def invalidations_waiting(self) -> int:
        """Invalidations that wait for the server to come back."""
        return self._state.guard.pending

    async def close(self) -> None:
        """Ends all tasks of this client and its connections.

        Invalidations that still wait are tried once more; what is not carried out then is lost, and logged.
        """
        await self._state.close()

    async def __aenter__(self) -> Self:
        """Closes the client when the block is left."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the client."""
        await self.close()

    def _new_state(self) -> State:
        """Connections and all else that belongs to one process; for tests, over another transport."""
        return State(self._setup, Transport(self._setup), self._changed)

    def _changed(self, available: bool) -> None:
        observe.state_changed(available)
        if self._setup.on_state_change is None:
            return
        try:
            self._setup.on_state_change(available)
        except Exception as error:
            # It is called amid a read or a write, which has nothing to do with it.
            _log.error("on_state_change failed: %s", type(error).__name__)

    def _before_fork(self) -> None:
        """In the parent, before it forks."""
        self._forking = self._state
        self._forking.calls.transport.before_fork()

    def _after_fork(self) -> None:
        """In the parent, after it has."""
        self._forking.calls.transport.after_fork()

    def _forked(self) -> None:
        """In a child after a fork: connections, threads and locks of the parent are not ours."""
        self._state = self._new_state()
