"""Client of the hotplate cache: results that are expensive to compute, kept where every process can reach them.

`AsyncClient` is for asyncio, `Client` for threads; both have the same surface. A client gives namespaces, which read
and write values. A cache that is away is a miss, never an error, unless `on_error="raise"` asks for it.
"""

from __future__ import annotations

from hotplate import serializers
from hotplate._aio.client import AsyncClient
from hotplate._aio.namespace import AsyncNamespace
from hotplate._aio.reading import AsyncReadStream
from hotplate._aio.watch import AsyncPreload, AsyncWatch
from hotplate._aio.writing import AsyncWriteStream
from hotplate._core.setup import Tls
from hotplate._sync.client import Client
from hotplate._sync.namespace import Namespace
from hotplate._sync.reading import ReadStream
from hotplate._sync.watch import Preload, Watch
from hotplate._sync.writing import WriteStream
from hotplate._version import __version__
from hotplate.errors import (
    CallCancelledError,
    CodecError,
    ComputeError,
    ConfigurationError,
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
from hotplate.keys import AnyKey, Key
from hotplate.near import NearOptions
from hotplate.observe import detect
from hotplate.options import CacheMode, ComputeArgs, ReadArgs, WriteArgs
from hotplate.preloading import PreloadItem
from hotplate.profile import Profile
from hotplate.results import (
    DegradationCounts,
    Hit,
    Invalidated,
    Lookup,
    Miss,
    MissReason,
    NearStats,
    Negative,
    PreloadProgress,
    Refreshing,
    Tier,
    Written,
)
from hotplate.selectors import Selector
from hotplate.statistics import Stats
from hotplate.ttl import TTL, DurationLike, TtlLike, format_duration, parse_duration
from hotplate.watching import WatchItem

__all__ = [
    "TTL",
    "AnyKey",
    "AsyncClient",
    "AsyncNamespace",
    "AsyncPreload",
    "AsyncReadStream",
    "AsyncWatch",
    "AsyncWriteStream",
    "CacheMode",
    "CallCancelledError",
    "Client",
    "CodecError",
    "ComputeArgs",
    "ComputeError",
    "ConfigurationError",
    "DeadlineExceededError",
    "DegradationCounts",
    "DurationLike",
    "FailedPreconditionError",
    "Hit",
    "HotplateError",
    "InternalError",
    "InvalidArgumentError",
    "Invalidated",
    "Key",
    "Lookup",
    "Miss",
    "MissReason",
    "Namespace",
    "NearOptions",
    "NearStats",
    "Negative",
    "NotFoundError",
    "PermissionDeniedError",
    "Preload",
    "PreloadItem",
    "PreloadProgress",
    "Profile",
    "ReadArgs",
    "ReadStream",
    "Refreshing",
    "ResourceExhaustedError",
    "Selector",
    "Stats",
    "Tier",
    "Tls",
    "TtlLike",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "Watch",
    "WatchItem",
    "WriteArgs",
    "WriteStream",
    "Written",
    "__version__",
    "detect",
    "format_duration",
    "parse_duration",
    "serializers",
]
