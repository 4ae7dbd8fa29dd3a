"""The failures of the client: one class for each kind, and how a gRPC status or an item of a batch becomes one.

What to do about a failure lives with the callers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

__all__ = [
    "CallCancelledError",
    "CodecError",
    "ComputeError",
    "ConfigurationError",
    "DeadlineExceededError",
    "FailedPreconditionError",
    "HotplateError",
    "InternalError",
    "InvalidArgumentError",
    "NotFoundError",
    "PermissionDeniedError",
    "ResourceExhaustedError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
]


class HotplateError(Exception):
    """A failure: what sort, why, which field, and when to try again.

    Catch the subclass for the kind you can do something about; `reason` is what programs switch on within a kind.
    """

    kind: ClassVar[str] = "INTERNAL"
    """The kind's name, as gRPC spells it where gRPC has one."""

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        field: str | None = None,
        retry_after: float | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        """Made by the client; `retry_after` is in seconds."""
        super().__init__(message)
        self.message = message
        """A sentence for people."""
        self.reason = reason
        """The server's reason for programs, such as `TTL_OUT_OF_BOUNDS`; None where it gave none."""
        self.field = field
        """The request field at fault, when one is."""
        self.retry_after = retry_after
        """Seconds to wait before trying again, when the server said so."""
        self.details: dict[str, str] = dict(details or {})
        """What else the server said for programs, by name."""

    def __str__(self) -> str:
        """Kind, reason, sentence and field, as far as they are known."""
        reason = f" ({self.reason})" if self.reason else ""
        field = f" (field `{self.field}`)" if self.field else ""
        return f"{self.kind}{reason}: {self.message}{field}"

    @property
    def is_outage(self) -> bool:
        """Whether the cache itself is away, as opposed to the request being at fault."""
        return self.kind in _OUTAGES


_OUTAGES = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "CANCELLED"})


class UnavailableError(HotplateError):
    """The server could not be reached or is not ready. A later try may succeed."""

    kind = "UNAVAILABLE"


class DeadlineExceededError(HotplateError, TimeoutError):
    """The time allowed for the call ran out. Whether the server acted is not known."""

    kind = "DEADLINE_EXCEEDED"


class UnauthenticatedError(HotplateError):
    """The server does not know who is calling: no token, or a wrong one."""

    kind = "UNAUTHENTICATED"


class PermissionDeniedError(HotplateError):
    """The caller is known but may not do this in this namespace."""

    kind = "PERMISSION_DENIED"


class InvalidArgumentError(HotplateError, ValueError):
    """The request can never succeed as it is; `field` often names the part at fault."""

    kind = "INVALID_ARGUMENT"


class NotFoundError(HotplateError, LookupError):
    """Something named in the request does not exist. Never a missing key of a read: that is a miss."""

    kind = "NOT_FOUND"


class ResourceExhaustedError(HotplateError):
    """A bound was reached; less, or later, may succeed."""

    kind = "RESOURCE_EXHAUSTED"


class FailedPreconditionError(HotplateError):
    """The server is not set up for this, or what was named is no longer as it was."""

    kind = "FAILED_PRECONDITION"


class CallCancelledError(HotplateError):
    """The call was cancelled before it ended."""

    kind = "CANCELLED"


class UnimplementedError(HotplateError):
    """The server does not know this call."""

    kind = "UNIMPLEMENTED"


class InternalError(HotplateError):
    """A fault in the server, or an answer that makes no sense."""

    kind = "INTERNAL"


class CodecError(HotplateError, ValueError):
    """A value could not be encoded or decoded, or has another content type than the serializer reads."""

    kind = "CODEC"


class ConfigurationError(HotplateError):
    """The client was set up in a way that cannot work; the message says what to change."""

    kind = "CONFIGURATION"


class ComputeError(HotplateError):
    """A computation failed, here or in another process that remembered it (reason `COMPUTE_FAILED`)."""

    kind = "COMPUTE"
