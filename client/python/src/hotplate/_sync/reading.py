# Made from hotplate/_aio/reading.py by tools/make_sync.py: change that one.
"""Reading one value as a stream, over as many streams as it takes. Each piece is checked before it is handed out."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from hotplate._core import status
from hotplate._core.crc32c import combine, crc32c
from hotplate._core.transfer import Failures, damaged
from hotplate._sync import runtime
from hotplate._sync.calls import Calls
from hotplate._sync.transport import Stream
from hotplate.errors import FailedPreconditionError, HotplateError, InternalError, UnavailableError
from hotplate.results import Lookup, hit_of, miss, negative
from hotplate.v1 import blob_pb2 as blob
from hotplate.v1 import cache_pb2 as pb

#: How often a value that is replaced while it is read is read anew.
_VERSIONS_MAX: Final = 4


class ValueReader:
    """Reads one value in pieces. A stream that breaks is gone on with where it ended, on the same version."""

    def __init__(self, calls: Calls, request: blob.ReadValueRequest) -> None:
        self.header = blob.ReadValueHeader()
        self._calls = calls
        self._request = request
        # Whose turn it is: that of the server with this version.
        self._turn = calls.transport.turn()
        self._stream: Stream[blob.ReadValueResponse] | None = None
        # What the version is called by now: an upload that is stored has another name than while it was written.
        self._version = ""
        self._followed = False
        self._ended = False
        self._offset = 0
        self._whole = 0
        self._failures = Failures()

    def open(self) -> None:
        """Finds out whether there is a value."""
        while True:
            try:
                header = self._reopen()
                break
            except HotplateError as error:
                self.close()
                runtime.sleep(self._failures.pause(error, self._calls.profile.bulk_timeout))
                self._turn += 1
            except BaseException:
                self.close()
                raise
        self.header = header
        if not header.version:
            self.close()

    def next(self) -> bytes | None:
        """The next piece; None when all was read, or there is no value."""
        while not self._ended and self.header.version:
            try:
                piece = self._piece()
            except HotplateError as error:
                self.close()
                runtime.sleep(self._failures.pause(error, self._calls.profile.bulk_timeout))
                if not self._followed and self._failures.leave_server:
                    self._turn += 1
            else:
                if piece is not None:
                    self._failures.progress()
                    return piece
        return None

    def close(self) -> None:
        """Lets go of the stream."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()

    def _piece(self) -> bytes | None:
        if self._stream is None:
            self._reopen()
        message = self._message()
        kind = message.WhichOneof("message")
        if kind == "chunk":
            return self._checked(message.chunk)
        if kind == "trailer":
            if self._offset != message.trailer.size_bytes or self._whole != message.trailer.crc32c:
                raise InternalError("what was read is not the value that the server has", reason="DIGEST_MISMATCH")
            self._ended = True
            self.close()
            return None
        raise damaged("the server sent a header twice")

    def _reopen(self) -> blob.ReadValueHeader:
        """Opens a stream that begins at the next byte."""
        request = blob.ReadValueRequest()
        request.CopyFrom(self._request)
        if self._version:
            request.version, request.read_offset = self._version, self._offset
        timeout = self._calls.profile.call_timeout
        self._stream = self._calls.transport.read_value(request, self._turn, timeout)
        self._followed = False
        message = self._message()
        if message.WhichOneof("message") != "header":
            raise UnavailableError("the stream ended before its header")
        header = message.header
        # What was still being written when it was begun has another name once it is stored.
        stored_since = self._version == self.header.version and _is_followed(self.header) and header.version
        if self._version not in ("", header.version) and not stored_since:
            raise FailedPreconditionError("the value that was being read is not there any more", reason="VERSION_GONE")
        self._followed = _is_followed(header)
        self._version = header.version
        return header

    def _message(self) -> blob.ReadValueResponse:
        stream = self._stream
        if stream is None:
            raise UnavailableError("the stream was closed")
        timeout = self._calls.profile.call_timeout
        try:
            # Who writes may pause for as long as they like.
            message = stream.read(None if self._followed else timeout)
        except HotplateError:
            raise
        except TimeoutError:
            raise status.timed_out(timeout) from None
        if message is None:
            raise UnavailableError("the stream ended before the value did")
        return message

    def _checked(self, chunk: blob.ValueChunk) -> bytes:
        if chunk.offset != self._offset or not chunk.data:
            raise damaged("a piece of the value is not where it should be")
        if crc32c(chunk.data) != chunk.crc32c:
            raise damaged("a piece of the value arrived otherwise than it was sent")
        self._whole = combine(self._whole, chunk.crc32c, len(chunk.data))
        self._offset += len(chunk.data)
        return chunk.data


def _is_followed(header: blob.ReadValueHeader) -> bool:
    """Whether the value is still being written."""
    return header.found.outcome == pb.GET_OUTCOME_PENDING


def with_large(calls: Calls, request: pb.GetRequest, response: pb.GetResponse) -> pb.GetResponse:
    """The answer of a Get with the value in it, however large that is."""
    for _ in range(_VERSIONS_MAX):
        if response.entry.WhichOneof("payload") != "large":
            return response
        wanted = blob.ReadValueRequest(
            namespace=request.namespace,
            key=request.key,
            version=response.entry.metadata.etag,
            stale_policy=request.stale_policy,
        )
        try:
            value = _all_of(calls, wanted)
        except HotplateError as error:
            if error.reason != "VERSION_GONE":
                raise
            value = None
        if value is not None:
            response.entry.value = value
            return response
        # All that it asked for, but no second lease.
        again = pb.GetRequest()
        again.CopyFrom(request)
        again.ClearField("miss_policy")
        again.ClearField("wait_timeout")
        response = calls.get(again)
    raise UnavailableError("the value was replaced each time it was read", reason="VERSION_GONE")


def _all_of(calls: Calls, request: blob.ReadValueRequest) -> bytes | None:
    """All bytes of a value; None when there is none."""
    reader = ValueReader(calls, request)
    try:
        reader.open()
        if not reader.header.version:
            return None
        pieces: list[bytes] = []
        while (piece := reader.next()) is not None:
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        reader.close()


class ReadStream:
    """A value that is read in pieces. Made by `Namespace.read_stream`.

    Iterate over it for the pieces. Leave it by `with`, or `close` it, when not all is read.
    """

    def __init__(self, reader: ValueReader | None, found: Lookup[int]) -> None:
        """Made by the namespace; without a reader there is nothing to read."""
        self._reader = reader
        self._left = None
        if reader is not None and reader.header.version:
            self._left = runtime.when_left(self, "a value that is read in pieces", reader.close)
        self.found: Lookup[int] = found
        """What is known of the value before its bytes: its size as the hit's value, zero while it is written."""

    def next(self) -> bytes | None:
        """The next piece, checked; None at the end, or when there is no value.

        Raises `InternalError` with reason `DIGEST_MISMATCH` when the pieces are not the whole that the server meant:
        what was handed out before is not the value then.
        """
        if self._reader is None:
            return None
        try:
            piece = self._reader.next()
        except HotplateError:
            self.close()
            raise
        if piece is None:
            self.close()
        return piece

    def read(self) -> bytes:
        """All that is left, in memory."""
        return b"".join([piece for piece in self])

    def close(self) -> None:
        """Lets go of the stream."""
        if self._left is not None:
            self._left.detach()
        if self._reader is not None:
            self._reader.close()

    def __iter__(self) -> Self:
        """Each piece as it comes."""
        return self

    def __next__(self) -> bytes:
        """The next piece."""
        piece = self.next()
        if piece is None:
            raise StopIteration
        return piece

    def __enter__(self) -> Self:
        """Lets go of the stream when the block is left."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lets go of the stream."""
        self.close()


def found_by(header: blob.ReadValueHeader) -> Lookup[int]:
    """What a stream's header tells of the value."""
    response = header.found
    if header.version:
        return hit_of(header.size_bytes, response)
    if response.entry.WhichOneof("payload") == "negative":
        return negative(response.entry)
    return miss(response.miss_reason)
