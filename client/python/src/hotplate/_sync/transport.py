"""Connections and blocking calls over gRPC.

Knows neither retries nor deadlines of whole calls. The twin for event loops is `hotplate._aio.transport`.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast

import grpc

from hotplate._core import channels, status, token
from hotplate._core.channels import Line, Pool
from hotplate._core.endpoint import Address
from hotplate._core.flights import closed, given_up
from hotplate._core.guard import turned_off
from hotplate._core.setup import Setup
from hotplate._sync import runtime
from hotplate.errors import HotplateError, UnavailableError
from hotplate.v1 import blob_pb2_grpc, cache_pb2_grpc

T = TypeVar("T")

#: Messages of a stream that wait for their reader, and chunks that wait for the network.
_WAITING_MAX: Final = 2
#: Time of a call whose token took all of it, in seconds: it then ends as one that was too late.
_CALL_MIN: Final = 0.001
#: Longest wait for calls under way before a fork, in seconds.
_FORK_WAIT: Final = 2.0


class _Stubs:
    """One connection with its stubs."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.cache = cast("Any", cache_pb2_grpc.CacheServiceStub(channel))
        self.blob = cast("Any", blob_pb2_grpc.BlobServiceStub(channel))


#: Takes one of several connections.
_Choose: TypeAlias = Callable[[Pool[_Stubs]], Line[_Stubs]]


class Transport:
    """The connections of a client in one process."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._credentials = channels.credentials(setup)
        self._lock = threading.Lock()
        self._made: Pool[_Stubs] | None = None
        self._closed = False
        self._streams: weakref.WeakSet[Stream[Any]] = weakref.WeakSet()

    def turn(self) -> int:
        """Whose turn it is of several servers."""
        return self._pool().turn()

    def unary(self, method: str, request: Any, timeout: float, turn: int) -> Any:
        """One call of the cache service."""
        ends = time.monotonic() + timeout
        waits = method == "Get" and request.HasField("wait_timeout")
        while True:
            try:
                return self._unary(
                    lambda pool: pool.for_call(turn), lambda to: getattr(to.cache, method), request, ends, waits=waits
                )
            except _CutError as cut:
                # A call that waits is one that may be made again.
                if cut.sent and not waits:
                    raise _cut() from None

    def query_write(self, request: Any, timeout: float, turn: int) -> Any:
        """How far an upload is."""
        ends = time.monotonic() + timeout
        try:
            return self._unary(lambda pool: pool.for_transfer(turn), lambda to: to.blob.QueryWrite, request, ends)
        except _CutError:
            raise _cut() from None

    def stream(self, method: str, request: Any, turn: int, timeout: float) -> Stream[Any]:
        """Opens a stream of the cache service, within this time."""
        return self._opened(lambda pool: pool.for_stream(turn), lambda to: getattr(to.cache, method), request, timeout)

    def read_value(self, request: Any, turn: int, timeout: float) -> Stream[Any]:
        """Opens a stream that reads a value, within this time."""
        return self._opened(lambda pool: pool.for_transfer(turn), lambda to: to.blob.ReadValue, request, timeout)

    def write_value(self, turn: int) -> Upload:
        """Opens a stream that writes a value."""
        metadata = self._metadata()
        pool, line = self._taken(lambda pool: pool.for_transfer(turn))
        try:
            return Upload(line.channel.blob.WriteValue, metadata, line)
        except BaseException as failure:
            line.give()
            if not isinstance(failure, ValueError):
                raise
            raise _cut() if pool.is_cut else _closed(failure) from None

    def close(self) -> None:
        """Closes the connections."""
        with self._lock:
            self._closed = True
            pool, self._made = self._made, None
        for stubs in pool.all() if pool is not None else []:
            stubs.channel.close()

    def end_streams(self) -> None:
        """Ends all streams, so that nobody waits for one."""
        for stream in list(self._streams):
            stream.cancel()

    def before_fork(self) -> None:
        """Keeps calls from beginning, ends streams, which go on afterwards, and waits for calls under way, not for long.

        What is under way then, or waits for something to happen, is cut, and made again afterwards: gRPC can only be
        used, in a child and in its parent, when no thread was within it.
        """
        self._lock.acquire()
        streams = list(self._streams)
        for stream in streams:
            stream.cancel()
        pool = self._made
        _wait_while(
            lambda: (
                any(stream.is_fetching for stream in streams)
                or (pool is not None and pool.is_busy(apart_from_waiting=True))
            )
        )
        if pool is None or not pool.is_busy():
            return
        pool.is_cut, self._made = True, None
        for stubs in pool.all():
            stubs.channel.close()
        _wait_while(pool.is_busy)

    def after_fork(self) -> None:
        """Lets calls begin again, in the parent."""
        self._lock.release()

    def _opened(self, choose: _Choose, method: Callable[[_Stubs], Any], request: Any, timeout: float) -> Stream[Any]:
        ends = time.monotonic() + timeout
        metadata = self._metadata()
        pool, line = self._taken(choose)
        try:
            stream: Stream[Any] = Stream(method(line.channel)(request, metadata=metadata), line)
        except BaseException as failure:
            line.give()
            if not isinstance(failure, ValueError):
                raise
            raise _cut() if pool.is_cut else _closed(failure) from None
        self._streams.add(stream)
        return _opened(stream, max(_CALL_MIN, ends - time.monotonic()))

    def _unary(
        self,
        choose: _Choose,
        method: Callable[[_Stubs], Any],
        request: Any,
        ends: float,
        *,
        waits: bool = False,
    ) -> Any:
        metadata = self._metadata()
        pool, line = self._taken(choose, waits=waits)
        try:
            left = max(_CALL_MIN, ends - time.monotonic())
            make, calling = method(line.channel), runtime.CALLING.get()
            if calling is None:
                return make(request, timeout=left, metadata=metadata)
            calling.check()
            call = make.future(request, timeout=left, metadata=metadata)
            with calling.within(call.cancel):
                return call.result()
        except grpc.FutureCancelledError:
            raise given_up() from None
        except grpc.RpcError as failure:
            if pool.is_cut and failure.code() is grpc.StatusCode.CANCELLED:
                raise _CutError(sent=True) from None
            raise status.unsendable(_error(failure), request.ByteSize()) from None
        except ValueError as failure:
            if pool.is_cut:
                raise _CutError(sent=False) from None
            raise _closed(failure) from None
        finally:
            line.give(waits=waits)

    def _pool(self) -> Pool[_Stubs]:
        self._check()
        with self._lock:
            return self._open_pool()

    def _taken(self, choose: _Choose, *, waits: bool = False) -> tuple[Pool[_Stubs], Line[_Stubs]]:
        """A connection on which a call begins: in one step, so that a fork in between finds it busy."""
        self._check()
        with self._lock:
            pool = self._open_pool()
            line = choose(pool)
            line.take(waits=waits)
            return pool, line

    def _check(self) -> None:
        if self._setup.disabled:
            raise turned_off("a call")
        runtime.tidy()

    def _open_pool(self) -> Pool[_Stubs]:
        if self._closed:
            raise closed()
        if self._made is None:
            self._made = Pool(self._setup.addresses, self._setup.connections_max, self._connect)
        return self._made

    def _connect(self, address: Address, number: int) -> _Stubs:
        options = channels.arguments(address, self._setup, number)
        if address.tls and self._credentials is not None:
            return _Stubs(grpc.secure_channel(address.target, self._credentials, options))
        return _Stubs(grpc.insecure_channel(address.target, options))

    def _metadata(self) -> tuple[tuple[str, str], ...] | None:
        setting = self._setup.token
        if setting is None:
            return None
        return token.metadata(setting if isinstance(setting, str) else token.given(setting))


class _CutError(Exception):
    """A call's connection was closed before a fork; `sent` says whether the call may have left before."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__()
        self.sent = sent


def _cut() -> HotplateError:
    return UnavailableError("the connection was closed before a fork, amid the call")


def _wait_while(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + _FORK_WAIT
    while condition() and time.monotonic() < ends:
        time.sleep(0.001)


class _Ended:
    """The end of a stream: an error, or none."""

    def __init__(self, error: HotplateError | None) -> None:
        self.error = error


class Stream(Generic[T]):
    """Messages from the server, fetched by a thread of its own, so that waiting for one can be given up.

    The line was taken for it, and is given back at its end.
    """

    def __init__(self, call: Any, line: Line[_Stubs]) -> None:
        self._call = call
        self._line = line
        self._messages: queue.Queue[Any] = queue.Queue(_WAITING_MAX)
        self._begun = threading.Event()
        self._open = True
        self._fetching = threading.Thread(target=self._fetch, name="hotplate-stream", daemon=True)
        self._fetching.start()

    @property
    def is_fetching(self) -> bool:
        """Whether its thread may be within gRPC."""
        return self._fetching.is_alive()

    def opened(self, timeout: float) -> None:
        """Waits until the server has begun to answer. Raises TimeoutError."""
        if not self._begun.wait(timeout):
            raise TimeoutError

    def read(self, timeout: float | None = None) -> T | None:
        """The next message; None at the end. Raises TimeoutError when none comes in time."""
        try:
            message = self._messages.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError from None
        if not isinstance(message, _Ended):
            return cast("T", message)
        self.cancel()
        # Whoever reads on is told the same.
        self._messages.put(message)
        if message.error is not None:
            raise message.error
        return None

    def cancel(self) -> None:
        """Ends the stream."""
        if self._open:
            self._open = False
            self._line.give()
            self._call.cancel()

    def _fetch(self) -> None:
        ended = _Ended(None)
        try:
            self._call.initial_metadata()
            self._begun.set()
            for message in self._call:
                if not self._offer(message):
                    break
        except grpc.RpcError as failure:
            ended = _Ended(_error(failure))
        finally:
            self._begun.set()
            self._offer(ended, always=True)

    def _offer(self, message: Any, *, always: bool = False) -> bool:
        """Waits for room, for as long as there is a reader. The end is told in any case: it takes a message's place."""
        while True:
            try:
                self._messages.put(message, timeout=0.2)
                return True
            except queue.Full:
                if self._open:
                    continue
                if not always:
                    return False
                try:
                    self._messages.get_nowait()
                except queue.Empty:
                    continue


def _opened(stream: Stream[T], timeout: float) -> Stream[T]:
    try:
        stream.opened(timeout)
    except TimeoutError:
        stream.cancel()
        raise status.timed_out(timeout) from None
    except BaseException:
        stream.cancel()
        raise
    return stream


class Upload:
    """Messages to the server, with one answer at the end. The line was taken for it."""

    def __init__(self, method: Any, metadata: Any, line: Line[_Stubs]) -> None:
        self._messages: queue.Queue[Any] = queue.Queue(_WAITING_MAX)
        self._line = line
        self._open = True
        self._call = method.future(self._outgoing(), metadata=metadata)
        self._calling = runtime.CALLING.get()

    def _outgoing(self) -> Iterator[Any]:
        while self._open:
            try:
                message = self._messages.get(timeout=0.2)
            except queue.Empty:
                continue
            if message is None:
                return
            yield message

    def send(self, message: Any, timeout: float) -> None:
        """Sends a message. Raises what the server says when it ends the stream."""
        left = timeout
        while True:
            if self._calling is not None:
                self._calling.check()
            if self._call.done():
                self._answer(timeout)
                raise UnavailableError("the upload's stream ended before it was finished")
            try:
                self._messages.put(message, timeout=min(left, 0.2))
                return
            except queue.Full:
                left -= 0.2
                if left <= 0:
                    raise status.timed_out(timeout) from None

    def finish(self, timeout: float) -> Any:
        """Says that all was sent, and waits for the answer."""
        if not self._call.done():
            self.send(None, timeout)
        return self._answer(timeout)

    def cancel(self) -> None:
        """Ends the stream."""
        if self._open:
            self._open = False
            self._line.give()
            self._call.cancel()

    def _answer(self, timeout: float) -> Any:
        try:
            with contextlib.nullcontext() if self._calling is None else self._calling.within(self._call.cancel):
                return self._call.result(timeout)
        except grpc.FutureTimeoutError:
            raise status.timed_out(timeout) from None
        except grpc.FutureCancelledError:
            raise given_up() from None
        except grpc.RpcError as failure:
            raise _error(failure) from None


_CODES: Final = {code: code.value[0] for code in grpc.StatusCode}


def _error(failure: Any) -> HotplateError:
    # What grpc raises for a call is the call.
    trailer = failure.trailing_metadata() or ()
    details = next((value for key, value in trailer if key == status.DETAILS_KEY), b"")
    return status.of_status(
        _CODES[failure.code()], failure.details() or "", details if isinstance(details, bytes) else b""
    )


def _closed(failure: ValueError) -> Exception:
    # grpc says only in words that its channel was closed.
    return closed() if "closed channel" in str(failure).lower() else failure
