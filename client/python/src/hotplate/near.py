"""How a near cache is set up. What it keeps, and by which rule, is in `hotplate._core.near`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from hotplate.errors import ConfigurationError
from hotplate.ttl import DurationLike, seconds

__all__ = ["NearOptions", "near_options"]

_SIZE: Final = re.compile(r"([0-9]+)\s*([KMG]i?B|B)?", re.IGNORECASE)
_UNITS: Final = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}


@dataclass(frozen=True, slots=True)
class NearOptions:
    """How values are kept in this process while the server vouches for them; bounds are for each namespace."""

    bytes_max: int | str = 64 << 20
    """Bytes that it keeps at most, at least 64 KiB; also as `64MiB`. A value counts twice, as it came and as read."""
    entries_max: int = 10_000
    """Entries that it keeps at most, 1 or more."""
    ttl_max: DurationLike = 60.0
    """For how long a value is served without asking the server again, at most."""
    progress_max: DurationLike = 3.0
    """For how long the server may be silent before nothing is served any more, 300 ms to 10 min."""
    follow: Literal["namespace", "kept_keys"] | Sequence[str] = "namespace"
    """What it hears of: every change of the namespace; only of the keys it keeps, for large namespaces of which little
    is read here; or of keys that begin with one of 1 to 128 prefixes, and only such keys are kept."""
    keep_dependents: bool = False
    """Also keeps entries that were made from others (`depends_on`). Not for servers with a disk or a Redis below."""
    copy: Literal["none", "deepcopy", "bytes"] = "bytes"
    """What a hit gives: `bytes` reads the value anew each time; `deepcopy` copies what was read once; `none` gives all
    callers the same object, which is fastest and which nobody may change."""

    def __post_init__(self) -> None:
        """Checks the bounds."""
        if self.room < 64 << 10 or self.entries_max < 1:
            raise ConfigurationError("near cache: bytes_max is at least 64 KiB and entries_max at least 1")
        if seconds(self.ttl_max) <= 0:
            raise ConfigurationError("near cache: ttl_max is more than zero")
        if not 0.3 <= seconds(self.progress_max) <= 600:
            raise ConfigurationError("near cache: progress_max is 300 ms to 10 min")
        if self.copy not in ("none", "deepcopy", "bytes"):
            raise ConfigurationError("near cache: copy is none, deepcopy or bytes")
        if self.follow in ("namespace", "kept_keys"):
            return
        prefixes = self.prefixes or ()
        if not 1 <= len(prefixes) <= 128 or not all(isinstance(one, str) and one for one in prefixes):
            raise ConfigurationError(
                "near cache: follow is namespace, kept_keys or 1 to 128 prefixes, none of them empty"
            )

    @property
    def room(self) -> int:
        """`bytes_max` as a number."""
        return byte_size(self.bytes_max)

    @property
    def prefixes(self) -> tuple[str, ...] | None:
        """The prefixes, where only such keys are followed."""
        return None if isinstance(self.follow, str) else tuple(self.follow)


def near_options(value: NearOptions | int | str | None) -> NearOptions | None:
    """Options from what users write: a number of bytes, `64MiB`, or the options themselves."""
    if value is None or isinstance(value, NearOptions):
        return value
    return NearOptions(bytes_max=value)


def byte_size(value: int | str) -> int:
    """A size in bytes, from a number or text such as `64MiB`."""
    if isinstance(value, int):
        return value
    found = _SIZE.fullmatch(value.strip())
    if not found:
        raise ConfigurationError("a size is a number of bytes, or text such as `64MiB`")
    return int(found[1]) * _UNITS[(found[2] or "").lower()]
