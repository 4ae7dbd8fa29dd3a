"""What HTTP says of caching (RFC 9110, 9111 and 9211), as far as it concerns a cache in an application. No I/O."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from starlette.requests import Request

__all__ = ["PRIVATE", "Asked", "Result", "asked", "etag_of", "headers_of", "is_same"]

#: How a request's answer came about.
Result: TypeAlias = Literal["hit", "stale", "miss", "collapsed", "refresh", "bypass", "uncacheable"]

_STATUS = {
    "stale": "hit; ttl=0",
    "miss": "fwd=uri-miss",
    "collapsed": "fwd=uri-miss; collapsed",
    "refresh": "fwd=request",
    "bypass": "fwd=bypass",
    "uncacheable": "fwd=uri-miss; detail=response",
}
#: Headers of a request that make its answer one caller's own, unless something else is said.
PRIVATE = ("authorization", "cookie")


@dataclass(frozen=True, slots=True)
class Asked:
    """How a request wants the cache used."""

    mode: Literal["use", "bypass", "refresh", "only"]
    max_age: float | None = None
    """Nothing older than this, in seconds."""


def asked(request: Request, *, private: Sequence[str], vary: Sequence[str]) -> Asked:
    """Reads Cache-Control. `private`: headers that make an answer one caller's own, unless it is kept for each."""
    wants = _directives(request.headers.getlist("cache-control"))
    is_private = any(name in request.headers and name not in vary for name in private)
    if request.method not in ("GET", "HEAD") or "no-store" in wants or is_private:
        return Asked("bypass")
    if "no-cache" in wants or (not wants and "no-cache" in request.headers.get("pragma", "").lower()):
        return Asked("refresh")
    age = _seconds(wants.get("max-age"))
    if "only-if-cached" in wants:
        return Asked("only", age)
    return Asked("refresh") if age == 0 else Asked("use", age)


def etag_of(value: Any) -> str:
    """A weak validator: equal values have equal ones, however their bytes are encoded on the way."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f'W/"{hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]}"'


def is_same(request: Request, etag: str) -> bool:
    """Whether the caller has this already (If-None-Match)."""
    given = request.headers.get("if-none-match")
    if given is None or request.method not in ("GET", "HEAD"):
        return False
    known = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    return "*" in known or etag.removeprefix("W/") in known


def headers_of(
    result: Result, *, etag: str | None = None, fresh_for: float | None = None, shared: bool = False
) -> Mapping[str, str]:
    """What is said about an answer. `fresh_for` None: it is not in the cache. Without `etag` nobody keeps it."""
    left = 0 if fresh_for is None else max(0, math.floor(fresh_for))
    status = f"hit; ttl={left}" if result == "hit" else _STATUS[result]
    if fresh_for is not None and result in ("miss", "refresh"):
        status += "; stored"
    headers = {"X-Hotplate": result, "Cache-Status": f"hotplate; {status}"}
    if etag is not None:
        headers["ETag"] = etag
        headers["Cache-Control"] = f"{'public' if shared else 'private'}, max-age={left}"
    return headers


def _directives(lines: Sequence[str]) -> dict[str, str]:
    found = {}
    for part in ",".join(lines).split(","):
        name, _, value = part.strip().partition("=")
        if name:
            found[name.strip().lower()] = value.strip().strip('"')
    return found


def _seconds(text: str | None) -> float | None:
    # What is no number is as if it had expired (RFC 9111, 4.2.1); more than a year is no bound.
    if text is None:
        return None
    return min(float(text), 31_536_000.0) if text.isascii() and text.isdigit() else 0.0
