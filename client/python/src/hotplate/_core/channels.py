"""What every connection is opened with, and which of several a call takes. Opens none."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import grpc

from hotplate._core.endpoint import Address
from hotplate._core.setup import Setup, pem
from hotplate._core.status import MESSAGE_BYTES_MAX

C = TypeVar("C")

#: Calls under way on a connection before the next one is taken.
CALLS_PER_CONNECTION: Final = 32


def arguments(address: Address, setup: Setup, number: int) -> list[tuple[str, Any]]:
    """Settings of one connection; the number keeps gRPC from sharing one that others use."""
    made: list[tuple[str, Any]] = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
        ("grpc.enable_retries", 0),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", max(1, round(setup.profile.connect_timeout * 1000))),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        ("grpc.primary_user_agent", "hotplate-python"),
        ("hotplate.connection", number),
    ]
    if address.is_loopback:
        made.append(("grpc.enable_http_proxy", 0))
    if address.tls and setup.tls.domain:
        made.append(("grpc.ssl_target_name_override", setup.tls.domain))
    return made


def credentials(setup: Setup) -> grpc.ChannelCredentials | None:
    """What TLS uses; None where no address needs it. Raises `ConfigurationError`."""
    tls = setup.tls
    authority, certificate = pem("certificate authority", tls.ca), pem("client certificate", tls.certificate)
    key = pem("client key", tls.key)
    if not any(address.tls for address in setup.addresses):
        return None
    return grpc.ssl_channel_credentials(authority, key, certificate)


class Line(Generic[C]):
    """A connection and how many calls are under way on it."""

    __slots__ = ("_lock", "busy", "channel", "waiting")

    def __init__(self, channel: C) -> None:
        self.channel = channel
        self.busy = 0
        # Of those, calls that the server holds until something happens.
        self.waiting = 0
        self._lock = threading.Lock()

    def take(self, *, waits: bool = False) -> None:
        """A call begins."""
        with self._lock:
            self.busy += 1
            self.waiting += waits

    def give(self, *, waits: bool = False) -> None:
        """A call has ended."""
        with self._lock:
            self.busy -= 1
            self.waiting -= waits


class Pool(Generic[C]):
    """Connections for calls, others for large values, and others for streams that are read slowly.

    A Watch that waits for its reader must not hold up calls that share its connection's flow control window. `connect`
    opens one, given the address and a number.
    """

    def __init__(self, addresses: Sequence[Address], connections: int, connect: Callable[[Address, int], C]) -> None:
        each = max(1, connections // len(addresses))
        numbers = itertools.count()

        def lines(count: int) -> list[list[Line[C]]]:
            return [[Line(connect(one, next(numbers))) for _ in range(count)] for one in addresses]

        self._calls, self._transfers, self._streams = lines(each), lines(each), lines(1)
        self._turns = itertools.count()
        # Closed before a fork, amid calls: those that can be are made again, over another pool.
        self.is_cut = False

    def turn(self) -> int:
        """Whose turn it is. To be asked once for each call: who is tried again takes the next."""
        return next(self._turns)

    def for_call(self, turn: int) -> Line[C]:
        """A connection for a call: the first that has few under way, else the one with the fewest."""
        return _line(self._calls[turn % len(self._calls)], CALLS_PER_CONNECTION)

    def for_transfer(self, turn: int) -> Line[C]:
        """A connection for a large value: of its own as long as there are."""
        return _line(self._transfers[turn % len(self._transfers)], 1)

    def for_stream(self, turn: int) -> Line[C]:
        """A connection for a long-lived stream."""
        return self._streams[turn % len(self._streams)][0]

    def is_busy(self, *, apart_from_waiting: bool = False) -> bool:
        """Whether calls are under way; or only those that end soon, and are not held until something happens."""
        every = [*self._calls, *self._transfers, *self._streams]
        return any(line.busy > (line.waiting if apart_from_waiting else 0) for lines in every for line in lines)

    def all(self) -> list[C]:
        """Every connection."""
        every = [*self._calls, *self._transfers, *self._streams]
        return [line.channel for lines in every for line in lines]


def _line(lines: list[Line[C]], few: int) -> Line[C]:
    for line in lines:
        if line.busy < few:
            return line
    return min(lines, key=lambda line: line.busy)
