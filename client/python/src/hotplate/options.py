"""What a caller may ask of a read, a write or a computation, and how the contract carries it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, TypedDict

from hotplate._core.clock import FAR
from hotplate._core.texts import checked, checked_all, checked_map
from hotplate.errors import InvalidArgumentError
from hotplate.ttl import DurationLike, TtlLike, lifetime, seconds, wire
from hotplate.v1 import cache_pb2 as pb
from hotplate.v1 import types_pb2 as types

__all__ = ["CacheMode", "ComputeArgs", "ReadArgs", "WriteArgs"]

#: How one call uses the cache. `use`: reads, computes on a miss, stores. `bypass`: computes, neither reads nor stores.
#: `refresh`: computes and stores, does not read. `only`: reads, never computes; a miss is a `NotFoundError` with reason
#: `NOT_CACHED`.
CacheMode: TypeAlias = Literal["use", "bypass", "refresh", "only"]


class WriteArgs(TypedDict, total=False):
    """How a value is stored. What is not given is the namespace's default."""

    ttl: TtlLike
    """How long it stays fresh."""
    stale_for: DurationLike
    """For how long after that it may still be served as stale."""
    idle: DurationLike
    """Ends it when it was not read for this long."""
    jitter: float
    """Share of the TTL, 0 to 0.5, by which the end moves earlier at random."""
    refresh_ahead: float
    """Makes it due to be renewed in this last share of its TTL, 0 to 0.9. Zero: never."""
    refresh_ahead_xfetch: float
    """Makes it due to be renewed by XFetch: 1 is the rule, a larger factor renews earlier. Above 0, at most 100."""
    kind: str
    """The operation or model type that made it, at most 128 bytes; picks the TTL where none is given."""
    tags: Iterable[str]
    """Groups it belongs to, at most 64 of at most 128 bytes."""
    depends_on: Iterable[str]
    """What it was made from: keys, and tags as `tag:NAME`. When one is invalidated, so is this."""
    labels: Mapping[str, str]
    """Free-form facts."""
    cost: DurationLike
    """What computing it cost. `get_or_compute` measures it by itself."""
    if_absent: bool
    """Stores only where there is none."""
    if_present: bool
    """Stores only where there is one."""
    if_etag: str
    """Stores only in place of the entry with this etag."""


class ReadArgs(TypedDict, total=False):
    """What a read accepts."""

    accept_stale: bool
    """Also stale values, which the caller means to renew."""
    max_age: DurationLike
    """Nothing older than this."""
    peek: bool
    """Looks without touching recency, idle time or statistics."""
    slowest_tier: Literal["memory", "disk", "shared"]
    """Looks no further than in this tier of the server."""
    near: bool
    """False: the server is asked, whatever the near cache has."""


class ComputeArgs(WriteArgs, total=False):
    """How `get_or_compute` reads, computes and stores."""

    cache: CacheMode
    """How this call uses the cache. Default: `use`."""
    stale_if_error: bool
    """When the computation fails and a stale value is there, returns that."""
    stale_while_revalidate: bool
    """Returns a stale value at once, and has one caller of all processes compute the next one behind it."""
    max_age: DurationLike
    """Computes anew when the stored value is older than this."""
    wait: DurationLike
    """How long to wait for another process; then the caller computes for itself, not stored. Default: 30 s."""
    per_process: bool
    """Asks for no lease: each process computes for itself."""
    remember_failure: TtlLike
    """When the computation fails, remembers that for so long: until then every caller gets the same failure."""
    hold_off: DurationLike
    """When the computation fails, keeps all processes from trying again for so long, at most 60 s."""
    ttl_of: Callable[[Any], TtlLike]
    """The lifetime, worked out from the result; instead of `ttl`."""
    in_thread: bool
    """Runs a function that is no coroutine in a thread, so that the event loop goes on. Default: no."""


#: How long a caller waits for another process, when nothing is said, in seconds.
WAIT: Final = 30.0

_WRITE: Final = frozenset(WriteArgs.__annotations__)
_READ: Final = frozenset(ReadArgs.__annotations__)
_COMPUTE: Final = frozenset(ComputeArgs.__annotations__) | _WRITE
_TIERS: Final = {"memory": types.TIER_MEMORY, "disk": types.TIER_DISK, "shared": types.TIER_SHARED}
_RIVALS: Final = (
    ("if_absent", "if_present", "if_etag"),
    ("refresh_ahead", "refresh_ahead_xfetch"),
    ("ttl", "ttl_of"),
)
_MODES: Final = frozenset(("use", "bypass", "refresh", "only"))


def check(name: str, given: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuses options that nobody knows: a misspelt `ttl` would be the default one."""
    unknown = sorted(set(given) - known)
    if unknown:
        raise InvalidArgumentError(f"{name} knows no option `{unknown[0]}`", field=unknown[0])


def check_write(args: Mapping[str, Any]) -> None:
    """The same for options of a write."""
    check("a write", args, _WRITE)
    _check_rivals(args)


def check_read(args: Mapping[str, Any]) -> None:
    """The same for options of a read."""
    check("a read", args, _READ)


def check_compute(args: Mapping[str, Any]) -> None:
    """The same for options of a computation."""
    check("a computation", args, _COMPUTE)
    if args.get("cache", "use") not in _MODES:
        raise InvalidArgumentError("`cache` is use, bypass, refresh or only", field="cache")
    _check_rivals(args)
    # Before anything is asked: what cannot be stored need not be computed to find that out.
    checked("kind", args.get("kind") or "")
    checked_map("labels", args.get("labels") or {})
    for name in ("tags", "depends_on"):
        texts = args.get(name) or ()
        # What can be gone through only once is left for the write.
        if isinstance(texts, (str, Collection)):
            checked_all(name, texts)


def _check_rivals(args: Mapping[str, Any]) -> None:
    """Of some options only one can be meant: which one would win is nothing to guess at."""
    for rivals in _RIVALS:
        given = [name for name in rivals if args.get(name) not in (None, False)]
        if len(given) > 1:
            raise InvalidArgumentError(f"give `{given[0]}` or `{given[1]}`, not both", field=given[1])


def writes(args: Mapping[str, Any]) -> dict[str, Any]:
    """Of the options of a computation, those of its write."""
    return {name: value for name, value in args.items() if name in _WRITE}


def wait_seconds(args: ComputeArgs) -> float:
    """How long to wait for another process."""
    return min(seconds(args.get("wait", WAIT)), FAR)


def get_request(
    namespace: str, key: str, stale: pb.StalePolicy.ValueType = pb.STALE_POLICY_UNSPECIFIED, **args: Any
) -> pb.GetRequest:
    """A Get with the options of a read."""
    request = pb.GetRequest(namespace=namespace, key=key, stale_policy=stale, peek=args.get("peek", False))
    if args.get("accept_stale"):
        request.stale_policy = pb.STALE_POLICY_WHILE_REVALIDATE
    if args.get("max_age") is not None:
        request.max_age.CopyFrom(wire(seconds(args["max_age"])))
    slowest = args.get("slowest_tier")
    if slowest is not None:
        if slowest not in _TIERS:
            raise InvalidArgumentError("`slowest_tier` is memory, disk or shared", field="slowest_tier")
        request.slowest_tier = _TIERS[slowest]
    return request


def put_request(namespace: str, key: str, client_id: str, args: Mapping[str, Any]) -> pb.PutRequest:
    """A Put with the options of a write, without its payload."""
    request = pb.PutRequest(
        namespace=namespace,
        key=key,
        client_id=client_id,
        kind=checked("kind", args.get("kind") or ""),
        tags=checked_all("tags", args.get("tags") or ()),
        depends_on=checked_all("depends_on", args.get("depends_on") or ()),
        labels=checked_map("labels", args.get("labels") or {}),
    )
    lives = expiration(args)
    if lives is not None:
        request.expiration.CopyFrom(lives)
    if args.get("cost") is not None:
        request.compute_cost.CopyFrom(wire(seconds(args["cost"])))
    if args.get("if_absent"):
        request.precondition.absent = True
    if args.get("if_present"):
        request.precondition.present = True
    if args.get("if_etag") is not None:
        request.precondition.etag = checked("if_etag", args["if_etag"])
    return request


def expiration(args: Mapping[str, Any]) -> types.Expiration | None:
    """How long an entry lives; None where nothing is said."""
    named = ("ttl", "stale_for", "idle", "jitter", "refresh_ahead", "refresh_ahead_xfetch")
    if all(args.get(name) is None for name in named):
        return None
    made = types.Expiration()
    if args.get("ttl") is not None:
        life = lifetime(args["ttl"])
        if isinstance(life, str):
            made.ttl_class = life
        else:
            made.ttl.CopyFrom(wire(life))
    if args.get("stale_for") is not None:
        made.stale_for.CopyFrom(wire(seconds(args["stale_for"])))
    if args.get("idle") is not None:
        made.idle_ttl.CopyFrom(wire(seconds(args["idle"])))
    if args.get("jitter") is not None:
        made.jitter = args["jitter"]
    if args.get("refresh_ahead") is not None:
        made.refresh_ahead.fraction = args["refresh_ahead"]
    if args.get("refresh_ahead_xfetch") is not None:
        made.refresh_ahead.xfetch_beta = args["refresh_ahead_xfetch"]
    return made
