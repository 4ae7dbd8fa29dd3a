"""How a gRPC status, with the details in its trailer, or the failure of one item of a batch becomes an error.

The details are a `google.rpc.Status`. Four of its messages are read here field by field, because a dependency on
`googleapis-common-protos` for that would bind every user to its versions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hotplate.errors import (
    CallCancelledError,
    DeadlineExceededError,
    FailedPreconditionError,
    HotplateError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)
from hotplate.v1 import cache_pb2 as pb

#: Where gRPC puts the details.
DETAILS_KEY: Final = "grpc-status-details-bin"
#: Largest message accepted or sent, in bytes. Above every server's own limit, so that the server's clear answer wins.
MESSAGE_BYTES_MAX: Final = 16 << 20

_CANCELLED: Final = 1
_DEADLINE_EXCEEDED: Final = 4
_BY_CODE: Final[dict[int, type[HotplateError]]] = {
    1: CallCancelledError,
    3: InvalidArgumentError,
    4: DeadlineExceededError,
    5: NotFoundError,
    6: FailedPreconditionError,
    7: PermissionDeniedError,
    8: ResourceExhaustedError,
    9: FailedPreconditionError,
    10: FailedPreconditionError,
    11: InvalidArgumentError,
    12: UnimplementedError,
    14: UnavailableError,
    16: UnauthenticatedError,
}


def error_class(code: int) -> type[HotplateError]:
    """The class for a gRPC status code; what is not known is internal."""
    return _BY_CODE.get(code, InternalError)


def timed_out(seconds: float) -> DeadlineExceededError:
    """The time allowed for a call ran out here, before an answer came."""
    return DeadlineExceededError(f"no answer within {seconds:.3g} s")


def unsendable(error: HotplateError, size: int) -> HotplateError:
    """What a call ended with: gRPC says only in words that a request was too large to leave, which is its caller's."""
    if error.kind == "RESOURCE_EXHAUSTED" and error.reason is None and size > MESSAGE_BYTES_MAX:
        return InvalidArgumentError(f"the request has {size} bytes, more than a message may have: it was not sent")
    return error


def of_item(item: pb.ItemError) -> HotplateError:
    """The failure of one item of a batch."""
    after = item.retry_after
    return error_class(item.code)(
        item.message,
        reason=item.reason or None,
        field=item.field or None,
        retry_after=after.seconds + after.nanos / 1e9 if item.HasField("retry_after") else None,
        details=dict(item.details),
    )


def of_status(code: int, message: str, details: bytes) -> HotplateError:
    """A status that a call ended with; `details` is the trailer's, empty where there is none."""
    reason = field = None
    retry_after = None
    facts: dict[str, str] = {}
    for kind, body in _details(details):
        if kind.endswith("google.rpc.ErrorInfo"):
            reason, facts = _error_info(body)
        elif kind.endswith("google.rpc.BadRequest"):
            field = field or _first_field(body)
        elif kind.endswith("google.rpc.RetryInfo"):
            retry_after = _retry_delay(body)
    # A server that hears first that the time is over says so as a cancellation.
    if code == _CANCELLED and message.lower() == "timeout expired":
        code = _DEADLINE_EXCEEDED
    return error_class(code)(message, reason=reason, field=field, retry_after=retry_after, details=facts)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message. What does not parse ends it: details are an extra, never a failure of their own."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            number, at = _varint(data, at)
            yield tag >> 3, number
        elif kind == 2:
            length, at = _varint(data, at)
            yield tag >> 3, data[at : at + length]
            at += length
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            return


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return value, at


def _text(value: int | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def _details(data: bytes) -> Iterator[tuple[str, bytes]]:
    for number, status_field in _fields(data):
        if number == 3 and isinstance(status_field, bytes):
            parts = dict(_fields(status_field))
            body = parts.get(2, b"")
            yield _text(parts.get(1, b"")), body if isinstance(body, bytes) else b""


def _error_info(body: bytes) -> tuple[str | None, dict[str, str]]:
    reason: str | None = None
    facts: dict[str, str] = {}
    for number, value in _fields(body):
        if number == 1:
            reason = _text(value) or None
        elif number == 3 and isinstance(value, bytes):
            pair = dict(_fields(value))
            facts[_text(pair.get(1, b""))] = _text(pair.get(2, b""))
    return reason, facts


def _first_field(body: bytes) -> str | None:
    for number, violation in _fields(body):
        if number == 1 and isinstance(violation, bytes):
            return _text(dict(_fields(violation)).get(1, b"")) or None
    return None


def _retry_delay(body: bytes) -> float | None:
    for number, delay in _fields(body):
        if number == 1 and isinstance(delay, bytes):
            parts = dict(_fields(delay))
            seconds, nanos = parts.get(1, 0), parts.get(2, 0)
            if isinstance(seconds, int) and isinstance(nanos, int) and seconds < 1 << 62:
                return seconds + nanos / 1e9
    return None
