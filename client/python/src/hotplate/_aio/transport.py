"""Connections and calls over gRPC's asyncio API, one set of connections for each event loop.

Knows neither retries nor deadlines of whole calls. The threaded twin is `hotplate._sync.transport`.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Iterator
from typing import Any, Final, Generic, TypeVar, cast

import grpc
import grpc.aio

from hotplate._core import channels, clock, status, token
from hotplate._core.channels import Line, Pool
from hotplate._core.endpoint import Address
from hotplate._core.flights import closed
from hotplate._core.guard import turned_off
from hotplate._core.setup import Setup
from hotplate.errors import CallCancelledError, HotplateError, UnavailableError
from hotplate.v1 import blob_pb2_grpc, cache_pb2_grpc

T = TypeVar("T")

#: Time of a call whose token took all of it, in seconds: it then ends as one that was too late.
_CALL_MIN: Final = 0.001


class _Stubs:
    """One connection with its stubs."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.cache = cast("Any", cache_pb2_grpc.CacheServiceStub(channel))
        self.blob = cast("Any", blob_pb2_grpc.BlobServiceStub(channel))


class Transport:
    """The connections of a client."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._credentials = channels.credentials(setup)
        self._lock = threading.Lock()
        self._pools: dict[asyncio.AbstractEventLoop, Pool[_Stubs]] = {}
        self._closed = False

    def turn(self) -> int:
        """Whose turn it is of several servers."""
        return self._pool().turn()

    async def unary(self, method: str, request: Any, timeout: float, turn: int) -> Any:
        """One call of the cache service."""
        line = self._pool().for_call(turn)
        return await self._unary(line, getattr(line.channel.cache, method), request, timeout)

    async def query_write(self, request: Any, timeout: float, turn: int) -> Any:
        """How far an upload is."""
        line = self._pool().for_transfer(turn)
        return await self._unary(line, line.channel.blob.QueryWrite, request, timeout)

    async def stream(self, method: str, request: Any, turn: int, timeout: float) -> Stream[Any]:
        """Opens a stream of the cache service, within this time."""
        line = self._pool().for_stream(turn)
        return await self._opened(getattr(line.channel.cache, method), request, line, timeout)

    async def read_value(self, request: Any, turn: int, timeout: float) -> Stream[Any]:
        """Opens a stream that reads a value, within this time."""
        line = self._pool().for_transfer(turn)
        return await self._opened(line.channel.blob.ReadValue, request, line, timeout)

    async def write_value(self, turn: int) -> Upload:
        """Opens a stream that writes a value."""
        line = self._pool().for_transfer(turn)
        metadata = await self._metadata(self._setup.profile.call_timeout)
        try:
            return Upload(line.channel.blob.WriteValue(metadata=metadata), line)
        except grpc.aio.UsageError:
            raise closed() from None

    async def close(self) -> None:
        """Closes the connections, and waits for those of this loop."""
        here = asyncio.get_running_loop()
        with self._lock:
            self._closed = True
            pools, self._pools = self._pools, {}
        for loop, pool in pools.items():
            if loop is here:
                await _close(pool)
            elif loop.is_running():
                # Its end is of no interest: a loop that ends first takes the connections with it.
                with contextlib.suppress(RuntimeError):
                    asyncio.run_coroutine_threadsafe(_close(pool), loop)

    def end_streams(self) -> None:
        """Nothing to do: who reads them is cancelled."""

    def before_fork(self) -> None:
        """Nothing to do: gRPC's asyncio API cannot be used in a child of a process that has used it."""

    def after_fork(self) -> None:
        """Nothing to do."""

    async def _unary(self, line: Line[_Stubs], method: Any, request: Any, timeout: float) -> Any:
        ends = clock.now() + timeout
        metadata = await self._metadata(timeout)
        line.take()
        try:
            return await method(request, timeout=max(_CALL_MIN, ends - clock.now()), metadata=metadata)
        except grpc.aio.AioRpcError as failure:
            raise status.unsendable(_error(failure), request.ByteSize()) from None
        except grpc.aio.UsageError:
            raise closed() from None
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            raise closed() if self._closed else CallCancelledError("the call was cancelled") from None
        finally:
            line.give()

    async def _opened(self, method: Any, request: Any, line: Line[_Stubs], timeout: float) -> Stream[Any]:
        ends = clock.now() + timeout
        metadata = await self._metadata(timeout)
        try:
            stream: Stream[Any] = Stream(method(request, metadata=metadata), line)
        except grpc.aio.UsageError:
            raise closed() from None
        return await _opened(stream, max(_CALL_MIN, ends - clock.now()))

    def _pool(self) -> Pool[_Stubs]:
        if self._setup.disabled:
            raise turned_off("a call")
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._closed:
                raise closed()
            pool = self._pools.get(loop)
            if pool is None:
                # What belongs to loops that have ended is of no use to anyone.
                for gone in [other for other in self._pools if other.is_closed()]:
                    del self._pools[gone]
                pool = Pool(self._setup.addresses, self._setup.connections_max, self._connect)
                self._pools[loop] = pool
            return pool

    def _connect(self, address: Address, number: int) -> _Stubs:
        options = channels.arguments(address, self._setup, number)
        if address.tls and self._credentials is not None:
            return _Stubs(grpc.aio.secure_channel(address.target, self._credentials, options))
        return _Stubs(grpc.aio.insecure_channel(address.target, options))

    async def _metadata(self, timeout: float) -> tuple[tuple[str, str], ...] | None:
        setting = self._setup.token
        if setting is None:
            return None
        if isinstance(setting, str):
            return token.metadata(setting)
        made = token.given(setting)
        if inspect.isawaitable(made):
            try:
                async with asyncio.timeout(timeout):
                    made = await made
            except Exception as error:
                raise token.failed(error) from None
        return token.metadata(made)


class Stream(Generic[T]):
    """Messages from the server. A read that is given up loses nothing: the next one goes on with it."""

    def __init__(self, call: Any, line: Line[_Stubs]) -> None:
        self._call = call
        self._line = line
        self._reading: asyncio.Task[Any] | None = None
        self._open = True
        line.take()

    async def opened(self, timeout: float) -> None:
        """Waits until the server has begun to answer. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            await self._call.initial_metadata()

    async def read(self, timeout: float | None = None) -> T | None:
        """The next message; None at the end. Raises TimeoutError when none comes in time."""
        reading = self._reading
        if reading is None:
            reading = self._reading = asyncio.ensure_future(self._call.read())
        done, _ = await asyncio.wait({reading}, timeout=timeout)
        if not done:
            raise TimeoutError
        self._reading = None
        try:
            message = reading.result()
        except grpc.aio.AioRpcError as failure:
            self.cancel()
            raise _error(failure) from None
        except (asyncio.CancelledError, asyncio.InvalidStateError):
            self.cancel()
            raise CallCancelledError("the stream was closed") from None
        if message is not grpc.aio.EOF:
            return cast("T", message)
        self.cancel()
        code = await self._call.code()
        if code is not grpc.StatusCode.OK:
            raise await _ended(self._call, code)
        return None

    def cancel(self) -> None:
        """Ends the stream."""
        if self._open:
            self._open = False
            self._line.give()
            self._call.cancel()
            if self._reading is not None:
                self._reading.cancel()
                # Its end is of no interest any more.
                self._reading.add_done_callback(lambda task: task.cancelled() or task.exception())


async def _opened(stream: Stream[T], timeout: float) -> Stream[T]:
    try:
        await stream.opened(timeout)
    except TimeoutError:
        stream.cancel()
        raise status.timed_out(timeout) from None
    except grpc.aio.AioRpcError as failure:
        stream.cancel()
        raise _error(failure) from None
    except asyncio.CancelledError:
        stream.cancel()
        if _is_cancelled():
            raise
        raise CallCancelledError("the stream was closed") from None
    except BaseException:
        stream.cancel()
        raise
    return stream


def _is_cancelled() -> bool:
    """Whether it was this task that somebody cancelled: gRPC raises the same when its channel is closed."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


class Upload:
    """Messages to the server, with one answer at the end."""

    def __init__(self, call: Any, line: Line[_Stubs]) -> None:
        self._call = call
        self._line = line
        self._open = True
        line.take()

    async def send(self, message: Any, timeout: float) -> None:
        """Sends a message. Raises what the server says when it ends the stream."""
        try:
            with _told(timeout):
                async with asyncio.timeout(timeout):
                    await self._write(message)
        except (asyncio.InvalidStateError, grpc.aio.InternalError):
            # The server, or the connection, ended the stream: why is what the call ends with.
            await self._answer(timeout)
            raise UnavailableError("the upload's stream ended before it was finished") from None

    async def _write(self, message: Any) -> None:
        # Not by the call's own `write`: when that fails it takes INTERNAL for the status, and the true one is lost.
        if self._call.done():
            raise asyncio.InvalidStateError
        await self._call.wait_for_connection()
        await self._call._cython_call.send_serialized_message(message.SerializeToString())

    async def finish(self, timeout: float) -> Any:
        """Says that all was sent, and waits for the answer."""
        with _told(timeout):
            async with asyncio.timeout(timeout):
                with contextlib.suppress(asyncio.InvalidStateError, grpc.aio.InternalError):
                    await self._call.done_writing()
        return await self._answer(timeout)

    async def _answer(self, timeout: float) -> Any:
        with _told(timeout):
            async with asyncio.timeout(timeout):
                return await self._call

    def cancel(self) -> None:
        """Ends the stream."""
        if self._open:
            self._open = False
            self._line.give()
            self._call.cancel()


@contextlib.contextmanager
def _told(timeout: float) -> Iterator[None]:
    """Says in the client's own errors what became of an upload."""
    try:
        yield
    except TimeoutError:
        raise status.timed_out(timeout) from None
    except grpc.aio.AioRpcError as failure:
        raise _error(failure) from None
    except asyncio.CancelledError:
        if _is_cancelled():
            raise
        # By the end of its connection, which only closing brings about.
        raise closed() from None


_CODES: Final = {code: code.value[0] for code in grpc.StatusCode}


def _error(failure: grpc.aio.AioRpcError) -> HotplateError:
    return _of(failure.code(), failure.details(), failure.trailing_metadata())


async def _ended(call: Any, code: grpc.StatusCode) -> HotplateError:
    return _of(code, await call.details(), await call.trailing_metadata())


def _of(code: grpc.StatusCode, message: str | None, trailer: Any) -> HotplateError:
    details = next((value for key, value in trailer or () if key == status.DETAILS_KEY), b"")
    return status.of_status(_CODES[code], message or "", details if isinstance(details, bytes) else b"")


async def _close(pool: Pool[_Stubs]) -> None:
    for stubs in pool.all():
        await stubs.channel.close()
