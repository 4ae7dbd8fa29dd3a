"""The fake answers as a real server does: the same steps, asked of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import hotplate
from hotplate import Client, Hit, HotplateError, Miss, Namespace, Selector
from hotplate.testing import FakeServer, fake_client

Step = Callable[[Namespace], Any]


def _refused() -> Iterator[Step]:
    """What a server refuses."""
    long, many = "x" * 129, [str(number) for number in range(200)]
    for options in (
        {"tags": [long]},
        {"tags": [""]},
        {"tags": many[:65]},
        {"kind": long},
        {"depends_on": many[:65]},
        {"depends_on": [""]},
        {"depends_on": ["tag:"]},
        {"depends_on": ["x" * 1025]},
        {"depends_on": ["k"]},
        {"ttl": "31d"},
        {"ttl": 0.0001},
        {"ttl": "soon"},
        {"ttl": 1, "stale_for": "31d"},
        {"stale_for": 0},
        {"idle": "31d"},
        {"idle": 0},
        {"jitter": 0.6},
        {"refresh_ahead": 0.95},
        {"refresh_ahead_xfetch": 101},
        {"refresh_ahead_xfetch": -1},
        {"if_etag": ""},
        {"cost": -1},
    ):
        yield lambda space, options=options: space.put("k", 1, **options)  # type: ignore[misc]
    for key in ("", "x" * 1025, "a\nb", "a\0"):
        yield lambda space, key=key: space.get(key)  # type: ignore[misc]
        yield lambda space, key=key: space.put(key, 1)  # type: ignore[misc]
        yield lambda space, key=key: space.put_many([(key, 1), ("b", 2)])  # type: ignore[misc]
        yield lambda space, key=key: space.get_many([key, "nothing"])  # type: ignore[misc]
        yield lambda space, key=key: space.remove(key)  # type: ignore[misc]
        yield lambda space, key=key: space.exists(key)  # type: ignore[misc]
        yield lambda space, key=key: space.touch(key, 1)  # type: ignore[misc]
    for reason in ("x", "", "X" * 65):
        yield lambda space, reason=reason: space.put_negative("k", reason)  # type: ignore[misc]
    yield lambda space: space.put_negative("k", "ABSENT", "m" * 1025)
    for selector in (
        Selector.prefix(""),
        Selector.prefix("x" * 1025),
        Selector.glob(""),
        Selector.glob("x" * 257),
        Selector.glob("*x" * 9),
        Selector.glob("[a"),
        Selector.glob("a\\"),
        Selector.tag(""),
        Selector.tag(long),
        Selector.kind(long),
        Selector.all_tags([]),
        Selector.all_tags(many[:17]),
        Selector.dependents_of(""),
    ):
        yield lambda space, selector=selector: space.invalidate(selector)  # type: ignore[misc]
        yield lambda space, selector=selector: space.list(selector)  # type: ignore[misc]
    yield lambda space: space.invalidate(keys=many)
    yield lambda space: space.invalidate("k", reason="r" * 257)
    yield lambda space: space.mark_stale("k", spread_over="2h")
    yield lambda space: space.refresh("k")
    yield lambda space: space.touch("k", "31d")
    yield lambda space: space.touch("k", "soon")
    yield lambda space: space.put("k", 1)
    yield lambda space: space.touch("k", "31d")
    yield lambda space: space.touch("k", "soon")
    for name in ("a name", "x" * 65, "ä"):
        yield lambda space, name=name: space.client.namespace(name).get("k")  # type: ignore[misc]


def _carried_out() -> Iterator[Step]:
    """What a server does."""
    yield lambda space: space.put("data", 1, tags=["set"], kind="raw")
    yield lambda space: space.put("data", 1)
    yield lambda space: space.put("data", 2, if_absent=True)
    yield lambda space: space.put("none", 2, if_present=True)
    yield lambda space: space.put("data", 2, tags=["set"], kind="raw")
    yield lambda space: space.put("model", 3, depends_on=["data"], labels={"": "x" * 2_000})
    yield lambda space: space.put("report", 4, depends_on=["model", "tag:set"])
    yield lambda space: space.put("other", 5, tags=["other"], stale_for="1h")
    yield lambda space: space.put("data", 2, depends_on=["report"])
    yield lambda space: space.put("of tag", 2, tags=["t"], depends_on=["tag:t"])
    yield lambda space: space.put("one", 2, tags=["u"])
    yield lambda space: space.put("two", 2, depends_on=["tag:u"])
    yield lambda space: space.put("one", 2, tags=["u"], depends_on=["two"])
    yield lambda space: space.invalidate("one", "two", "of tag")
    yield lambda space: space.put("data", 2, depends_on=["none"], tags=["set"])
    yield lambda space: space.list()
    yield lambda space: space.list(Selector.tag("set"))
    yield lambda space: space.invalidate(Selector.dependents_of("model"))
    yield lambda space: space.list()
    yield lambda space: space.put("report", 4, depends_on=["model"])
    yield lambda space: space.invalidate("none", cascade=False)
    yield lambda space: space.list()
    yield lambda space: space.invalidate("none")
    yield lambda space: space.get_many(["data", "model", "report", "other", "none"])
    yield lambda space: space.put("report", 4, depends_on=["data:1", "tag:x"])
    yield lambda space: space.invalidate(prefix="data:")
    yield lambda space: space.get("report")
    yield lambda space: space.put("report", 4, depends_on=["data:1", "tag:x"])
    yield lambda space: space.invalidate(glob="data:?")
    yield lambda space: space.get("report")
    yield lambda space: space.put("report", 4, depends_on=["data:1", "tag:x"])
    yield lambda space: space.invalidate(tags=["x"])
    yield lambda space: space.get("report")
    yield lambda space: space.mark_stale(tags=["other"])
    yield lambda space: space.get("other")
    yield lambda space: space.get("other", accept_stale=True)
    yield lambda space: space.exists("other")
    yield lambda space: space.put("plain", 1, tags=["p"])
    yield lambda space: space.mark_stale(tags=["p"])
    yield lambda space: space.get("plain")
    yield lambda space: space.put_negative("absent", "NOT_FOUND", "nowhere", ttl="1m")
    yield lambda space: space.get("absent")
    yield lambda space: space.get_or_compute("absent", lambda: 1)
    yield lambda space: space.touch("absent", "1m")
    yield lambda space: space.touch("none", "1m")
    yield lambda space: space.remove("absent")
    yield lambda space: space.get("absent")
    yield lambda space: space.get_or_compute("made", lambda: 7, tags=["m"])
    yield lambda space: space.get_or_compute("failed", lambda: 1 // 0, remember_failure="1m", kind="f")
    yield lambda space: space.get_or_compute("failed", lambda: 1)
    yield lambda space: space.invalidate(kind="f")
    yield lambda space: space.get_or_compute("failed", lambda: 1)
    # What is invalidated while it is computed is not stored, nothing else is hindered.
    yield lambda space: space.get_or_compute("late", lambda: space.invalidate(tags=["l"]) and 1, tags=["l"])
    yield lambda space: space.get("late")
    yield lambda space: space.get_or_compute("late", lambda: space.invalidate("of") and 1, depends_on=["of"])
    yield lambda space: space.get("late")
    yield lambda space: space.get_or_compute("late", lambda: space.invalidate("it does not concern") and 1)
    yield lambda space: space.invalidate(Selector.all_tags(["m"]), kind="nothing")
    yield lambda space: space.list(prefix="l")
    yield lambda space: space.invalidate(everything=True)
    yield lambda space: space.list()


def _told(step: Step, space: Namespace) -> Any:
    try:
        return _plain(step(space))
    except HotplateError as error:
        return error.kind, error.reason, error.field
    except ZeroDivisionError:
        return "failed"


def _plain(answer: Any) -> Any:
    """What matters of an answer: not how old it is."""
    match answer:
        case Hit():
            return "hit", answer.value, answer.stale
        case hotplate.Written():
            return answer.outcome, answer.reason, answer.etag is None
        case HotplateError():
            return answer.kind, answer.reason, answer.field
        case dict():
            return {key: _plain(one) for key, one in answer.items()}
        case hotplate.Negative():
            return "negative", answer.reason, answer.message
        case _:
            return answer


def test_it_refuses_what_a_server_refuses(client: Client) -> None:
    with fake_client() as fake:
        for number, step in enumerate(_refused()):
            asked, told = (_told(step, one.namespace()) for one in (client, fake))
            assert told == asked, f"step {number}"


def test_it_does_what_a_server_does(client: Client) -> None:
    with fake_client() as fake:
        for number, step in enumerate(_carried_out()):
            asked, told = (_told(step, one.namespace()) for one in (client, fake))
            assert told == asked, f"step {number}"


def test_lifetimes_are_kept_on_a_clock_that_is_moved_by_hand() -> None:
    now = [0.0]
    fake = FakeServer(lambda: now[0])
    with fake_client(fake) as client:
        space = client.namespace()
        space.put("idle", 1, ttl=100, idle=10)
        space.put("ahead", 1, ttl=100, refresh_ahead=0.5)
        for _ in range(3):
            now[0] += 9
            assert isinstance(space.get("idle"), Hit)
        assert space.ttl("idle") == 10
        now[0] += 9
        assert space.exists("idle")
        now[0] += 1
        assert space.get("idle") == Miss("expired")
        assert space.get_or_compute("ahead", lambda: 2) == 1
        now[0] = 51
        assert space.get_or_compute("ahead", lambda: 2) == 1
        ends = 1_000
        while space.get_value("ahead") != 2 and ends:
            ends -= 1
        assert space.get_value("ahead") == 2


def test_what_it_does_not_do_it_says() -> None:
    with fake_client() as client:
        space = client.namespace()
        for call in (
            space.stats,
            lambda: next(iter(space.watch())),
            lambda: space.read_stream("k"),
            lambda: space.write_stream("k"),
            lambda: space.explain("k"),
            lambda: space.preload([hotplate.PreloadItem("k")]).result(),
        ):
            with pytest.raises(hotplate.UnimplementedError):
                call()
