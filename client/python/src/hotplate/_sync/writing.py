# Made from hotplate/_aio/writing.py by tools/make_sync.py: change that one.
"""Writing one value as a stream, opened as often as it takes. What the server may not have yet is kept."""

from __future__ import annotations

import functools
import secrets
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from hotplate._core.crc32c import combine, crc32c
from hotplate._core.transfer import CHUNK_BYTES, KEPT_BYTES_MAX, Failures, Sums
from hotplate._sync import runtime
from hotplate._sync.calls import Calls
from hotplate._sync.transport import Upload
from hotplate.errors import FailedPreconditionError, HotplateError, InternalError, UnavailableError, UnimplementedError
from hotplate.results import Written, written
from hotplate.v1 import blob_pb2 as blob
from hotplate.v1 import cache_pb2 as pb

#: Bytes of a value that every server takes with a call, unless it says otherwise.
_SURE_BYTES: Final = 1 << 20


def _chunk_bytes(calls: Calls) -> int:
    allowed = (calls.limits()).chunk_bytes_max
    if allowed == 0:
        raise UnimplementedError("the server takes no values as streams: it is older than this client")
    return min(allowed, CHUNK_BYTES)


class _Uplink:
    """One upload's stream to the server, opened as often as it takes."""

    def __init__(self, calls: Calls, put: pb.PutRequest, size: int) -> None:
        self.failures = Failures()
        self._calls = calls
        self._header = blob.WriteValueHeader(upload_id=secrets.token_hex(16), put=put, size_bytes=size)
        self._header.put.ClearField("payload")
        self._turn = calls.transport.turn()
        self._upload: Upload | None = None
        # The most the server is known to have had.
        self._most = 0

    def open(self, offset: int) -> None:
        """Opens a stream that goes on at this byte."""
        self._upload = self._calls.transport.write_value(self._turn)
        header = blob.WriteValueHeader()
        header.CopyFrom(self._header)
        header.write_offset = offset
        self._send(blob.WriteValueRequest(header=header))

    def send(self, offset: int, data: bytes, crc: int) -> None:
        """Sends a chunk with what proves it."""
        self._send(blob.WriteValueRequest(chunk=blob.ValueChunk(offset=offset, data=data, crc32c=crc)))

    def finish(self, size: int, whole: int | None) -> pb.PutResponse:
        """Says that all was sent, and waits for what the server makes of it."""
        finish = blob.WriteValueFinish(size_bytes=size, crc32c=whole)
        self._send(blob.WriteValueRequest(finish=finish))
        if self._upload is None:
            raise _broken()
        answer: blob.WriteValueResponse = self._upload.finish(self._calls.profile.bulk_timeout)
        self.close()
        if not answer.HasField("put"):
            raise _broken()
        return answer.put

    def recover(self, error: HotplateError) -> int | pb.PutResponse:
        """After a failure: waits, asks how much the server has, and gives where to go on, or that it was finished."""
        self.close()
        if _is_unknown(error):
            self.failures.add(error)
            return 0
        while True:
            runtime.sleep(self.failures.pause(error, self._calls.profile.bulk_timeout))
            if self.failures.leave_server:
                self._turn += 1
            try:
                found = self.query()
            except HotplateError as failed:
                # That it never heard of the upload is the same failure: what broke is counted.
                if _is_unknown(failed):
                    return 0
                error = failed
                continue
            if found.HasField("put"):
                return found.put
            if found.received_bytes > self._most:
                self._most = found.received_bytes
                self.failures.progress()
            return found.received_bytes

    def query(self) -> blob.QueryWriteResponse:
        """How much of the upload the server has."""
        request = blob.QueryWriteRequest(namespace=self._header.put.namespace, upload_id=self._header.upload_id)
        timeout = self._calls.profile.call_timeout
        found: blob.QueryWriteResponse = self._calls.transport.query_write(request, timeout, self._turn)
        return found

    def close(self) -> None:
        """Lets go of the stream."""
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.cancel()

    def _send(self, message: blob.WriteValueRequest) -> None:
        if self._upload is None:
            raise _broken()
        try:
            self._upload.send(message, self._calls.profile.bulk_timeout)
        except BaseException:
            self.close()
            raise


def put_whole(calls: Calls, request: pb.PutRequest) -> pb.PutResponse:
    """A Put of a value of any size."""
    size = len(request.value)
    limits = calls.known_limits
    if size <= _SURE_BYTES and limits is None:
        try:
            return calls.put(request)
        except HotplateError as error:
            # A server that takes less says so; then its limits are asked for.
            if error.reason != "VALUE_TOO_LARGE":
                raise
            limits = calls.limits()
            if limits.chunk_bytes_max == 0 or size <= limits.unary_value_bytes_max:
                raise
    limits = limits or calls.limits()
    # A server without streams says itself what is too large.
    if limits.chunk_bytes_max == 0 or size <= limits.unary_value_bytes_max:
        return calls.put(request)
    return _write_value(calls, request)


def _write_value(calls: Calls, put: pb.PutRequest) -> pb.PutResponse:
    """Writes a value that is all here: what is lost is sent again."""
    chunk_bytes = _chunk_bytes(calls)
    value = memoryview(put.value)
    link = _Uplink(calls, put, len(value))
    sums = Sums()
    at = 0
    try:
        while True:
            try:
                link.open(at)
                whole = sums.at(at)
                while at < len(value):
                    data = bytes(value[at : at + chunk_bytes])
                    crc = crc32c(data)
                    link.send(at, data, crc)
                    at += len(data)
                    whole = sums.add(whole, crc, at, len(data))
                return link.finish(at, whole)
            except HotplateError as error:
                where = link.recover(error)
            if isinstance(where, pb.PutResponse):
                return where
            at = where
    finally:
        link.close()


class WriteStream:
    """A value that is written in pieces. Made by `Namespace.write_stream`.

    Readers that follow get the same pieces. Left before `finish`, nothing is stored.
    """

    def __init__(self, calls: Calls, put: pb.PutRequest, ended: Callable[[bool], None]) -> None:
        """Made by the namespace; `ended` is told whether the server has answered."""
        self._calls = calls
        self._link = _Uplink(calls, put, 0)
        self._ended = ended
        self._left = runtime.when_left(
            self, "a value that is written in pieces", functools.partial(_give_up, self._link, ended)
        )
        self._chunk_bytes = CHUNK_BYTES
        # Pieces the server may not have, and where the first begins.
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self._from = 0
        self._at = 0
        self._whole = 0

    def open(self) -> None:
        """Opened at once: whoever follows finds it before its first piece."""
        self._chunk_bytes = _chunk_bytes(self._calls)
        try:
            self._link.open(0)
        except HotplateError as error:
            self._again(error)

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Sends a piece. Waits while the server takes no more. After an error the upload is lost."""
        view = memoryview(data)
        for start in range(0, len(view), self._chunk_bytes):
            piece = bytes(view[start : start + self._chunk_bytes])
            if self._kept_bytes + len(piece) > KEPT_BYTES_MAX:
                self._confirm()
            crc = crc32c(piece)
            self._whole = combine(self._whole, crc, len(piece))
            offset, self._at = self._at, self._at + len(piece)
            self._kept.append(piece)
            self._kept_bytes += len(piece)
            try:
                self._link.send(offset, piece, crc)
            except HotplateError as error:
                self._again(error)

    def finish(self) -> Written:
        """Says that this was all, and waits until it is stored under its key, in one step."""
        answer: pb.PutResponse | None = None
        while answer is None:
            try:
                answer = self._link.finish(self._at, self._whole)
            except HotplateError as error:
                where = self._link.recover(error)
                if isinstance(where, pb.PutResponse):
                    answer = where
                    continue
                try:
                    self._resend(where)
                except HotplateError as failed:
                    self._again(failed)
        self._left.detach()
        self._ended(True)
        return written(answer)

    def close(self) -> None:
        """Gives the upload up, unless it was finished."""
        self._left.detach()
        _give_up(self._link, self._ended)

    def __enter__(self) -> Self:
        """Gives it up when the block is left before `finish`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gives it up, unless it was finished."""
        self.close()

    def _again(self, error: HotplateError) -> None:
        """Gets the stream back after a failure, with everything on it that the server does not have."""
        while True:
            where = self._link.recover(error)
            if isinstance(where, pb.PutResponse):
                raise InternalError("the upload was finished by another")
            try:
                self._resend(where)
                return
            except HotplateError as failed:
                error = failed

    def _resend(self, offset: int) -> None:
        if not self._from <= offset <= self._at:
            raise FailedPreconditionError(
                "the server lost the upload: what it had of it is not kept here any more", reason="UPLOAD_UNKNOWN_HERE"
            )
        self._forget(offset)
        self._link.open(offset)
        at = self._from
        for piece in list(self._kept):
            # The server may have a part of the first.
            rest = piece[max(0, offset - at) :]
            at += len(piece)
            if rest:
                self._link.send(at - len(rest), rest, crc32c(rest))

    def _forget(self, received: int) -> None:
        """Drops what the server has."""
        while self._kept and self._from + len(self._kept[0]) <= received:
            piece = self._kept.popleft()
            self._from += len(piece)
            self._kept_bytes -= len(piece)

    def _confirm(self) -> None:
        """Asks what the server has until there is room again."""
        before = self._from
        while True:
            failure: HotplateError = UnavailableError("the server takes nothing of the upload any more")
            try:
                self._forget((self._link.query()).received_bytes)
            except HotplateError as error:
                failure = error
            if self._from > before:
                self._link.failures.progress()
                return
            runtime.sleep(self._link.failures.pause(failure, self._calls.profile.bulk_timeout))


class DroppedStream(WriteStream):
    """Takes a value in pieces and drops it, while the cache is turned off in this process."""

    def __init__(self) -> None:
        """Made by the namespace."""

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Takes a piece."""

    def finish(self) -> Written:
        """Says that nothing was stored."""
        return Written("dropped", None, "disabled")

    def close(self) -> None:
        """There is nothing to give up."""


def _give_up(link: _Uplink, ended: Callable[[bool], None]) -> None:
    link.close()
    ended(False)


def _is_unknown(error: HotplateError) -> bool:
    """Whether the server has nothing of the upload."""
    return error.reason == "UPLOAD_UNKNOWN"


def _broken() -> HotplateError:
    return UnavailableError("the upload's stream ended before it was finished")
