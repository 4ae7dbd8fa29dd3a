"""How long entries live: exact durations, the server's named classes, and durations as people write them."""

from __future__ import annotations

import enum
import math
import re
from datetime import timedelta
from typing import Final, TypeAlias

from google.protobuf import duration_pb2

from hotplate.errors import InvalidArgumentError

__all__ = ["TTL", "DurationLike", "TtlLike", "format_duration", "parse_duration", "seconds"]


class TTL(enum.Enum):
    """A lifetime class that every server knows. The server resolves it, so operators can retune it."""

    VERY_SHORT = "very_short"
    SHORT = "short"
    MEDIUM = "medium"
    LONG = "long"
    VERY_LONG = "very_long"
    DAY = "day"
    WEEK = "week"

    @property
    def default_seconds(self) -> int:
        """Its length on a server that keeps the defaults."""
        return _DEFAULTS[self]


_DEFAULTS: Final = {
    TTL.VERY_SHORT: 300,
    TTL.SHORT: 900,
    TTL.MEDIUM: 1_800,
    TTL.LONG: 3_600,
    TTL.VERY_LONG: 7_200,
    TTL.DAY: 86_400,
    TTL.WEEK: 604_800,
}

#: A length of time: seconds, a `timedelta`, or text such as `1d2h3m50s` or `250ms`.
DurationLike: TypeAlias = float | timedelta | str
#: A lifetime: a length of time, a class, or the name of a class that the server has.
TtlLike: TypeAlias = TTL | DurationLike

_UNITS: Final = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_WITH_UNITS: Final = re.compile("".join(f"(?:([0-9]+){unit}(?![a-z]))?" for unit in _UNITS))
_PLAIN: Final = re.compile(r"([0-9]+)(?:\.([0-9]{1,3}))?")
_MS_MAX: Final = 100 * 365 * 86_400_000
# What fits the contract's durations.
_SECONDS_MAX: Final = 315_576_000_000


def parse_duration(text: str) -> timedelta:
    """Reads `1w2d3h4m5s6ms`, each unit at most once, largest first; or a plain number of seconds (`1.5`).

    Raises `InvalidArgumentError` for anything else, for zero, and for more than 100 years.
    """
    text = text.strip()
    millis = _millis(text)
    if millis is None:
        raise _invalid("not a duration: write for example `1d2h3m50s`, `250ms` or `90`")
    if millis == 0:
        raise _invalid("a duration of zero is no lifetime: use at least 1ms")
    if millis > _MS_MAX:
        raise _invalid("a duration is at most 100 years")
    return timedelta(milliseconds=millis)


def _millis(text: str) -> int | None:
    if not text.isascii() or len(text) > 64:
        return None
    plain = _PLAIN.fullmatch(text)
    if plain:
        return int(plain[1]) * 1_000 + int((plain[2] or "0").ljust(3, "0"))
    found = _WITH_UNITS.fullmatch(text)
    if not found or not text:
        return None
    return sum(int(count) * unit for count, unit in zip(found.groups(), _UNITS.values(), strict=True) if count)


def format_duration(duration: timedelta) -> str:
    """Writes a duration the way `parse_duration` reads it, cut to the millisecond."""
    millis = duration // timedelta(milliseconds=1)
    parts: list[str] = []
    for unit, length in _UNITS.items():
        count, millis = divmod(millis, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0ms"


def seconds(duration: DurationLike) -> float:
    """A length of time in seconds. Raises `InvalidArgumentError` for what is none, and for less than zero."""
    if isinstance(duration, str):
        return parse_duration(duration).total_seconds()
    if isinstance(duration, timedelta):
        value = duration.total_seconds()
    elif isinstance(duration, (int, float)) and not isinstance(duration, bool):
        value = float(duration)
    else:
        raise _invalid("a duration is a number of seconds, a timedelta or text such as `1h30m`")
    if not math.isfinite(value) or value < 0 or value > _SECONDS_MAX:
        raise _invalid("a duration is zero or more, and at most 10,000 years")
    return value


def parse_ttl(text: str) -> str | timedelta:
    """A class by name in any case (`long`, `VERY_LONG`), or a duration as `parse_duration` reads it."""
    lower = text.strip().lower() if text.isascii() else text.strip()
    if lower[:1].isascii() and lower[:1].isalpha():
        return lower
    return parse_duration(lower)


def lifetime(ttl: TtlLike) -> str | float:
    """A class by its name, or seconds. Raises `InvalidArgumentError` for zero."""
    if isinstance(ttl, TTL):
        return ttl.value
    if isinstance(ttl, str):
        parsed = parse_ttl(ttl)
        return parsed if isinstance(parsed, str) else parsed.total_seconds()
    value = seconds(ttl)
    if value <= 0:
        raise InvalidArgumentError("a lifetime of zero is none: use at least 1ms", field="ttl")
    return value


def wire(value: float) -> duration_pb2.Duration:
    """Seconds as the contract carries them."""
    whole = math.floor(value)
    nanos = round((value - whole) * 1e9)
    if nanos >= 1_000_000_000:
        whole, nanos = whole + 1, 0
    return duration_pb2.Duration(seconds=whole, nanos=nanos)


def of_wire(duration: duration_pb2.Duration) -> float:
    """Seconds of an answer; one that is unset or negative is zero."""
    return max(0.0, duration.seconds + duration.nanos / 1e9)


def _invalid(message: str) -> InvalidArgumentError:
    return InvalidArgumentError(message, field="duration")
