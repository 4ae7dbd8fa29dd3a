"""Decorated functions: found again by their arguments, dropped by what they name, typed as before."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import pickle
import sys
from collections.abc import AsyncIterator, Iterator
from typing import assert_type

import pytest
from conftest import Run

from hotplate import AsyncClient, Client, ConfigurationError, InvalidArgumentError, Key, NotFoundError, Selector, detect
from hotplate.testing import fake_client


@dataclasses.dataclass
class Car:
    """An argument that is no plain value."""

    name: str
    laps: int


def test_a_function_runs_once_for_the_same_arguments(client: Client) -> None:
    space = client.namespace()
    ran: list[str] = []

    @space.cached(prefix="lap:time", ttl=60, tags=["track:{track}"], ignore=("log",))
    def lap_time(track: str, car: Car, *, laps: int = 1, log: object = None) -> int:
        ran.append(track)
        return len(track) * laps

    assert lap_time("monza", Car("gt3", 2)) == 5
    assert lap_time("monza", car=Car("gt3", 2), laps=1, log=object()) == 5
    assert lap_time("monza", Car("gt3", 3)) == 5
    assert ran == ["monza"] * 2
    assert str(lap_time.key("monza", Car("gt3", 2))).startswith("lap:time:v1:")
    assert lap_time.bypass("monza", Car("gt3", 2)) == lap_time.refresh("monza", Car("gt3", 2)) == 5
    assert len(ran) == 4
    assert lap_time.only("monza", Car("gt3", 2)) == 5
    assert lap_time.invalidate("monza", Car("gt3", 2)).matched == 1
    with pytest.raises(NotFoundError):
        lap_time.only("monza", Car("gt3", 2))
    assert lap_time.__name__ == "lap_time"


def test_what_is_outdated_by_a_function_goes_also_when_it_failed(client: Client) -> None:
    space = client.namespace()

    @space.cached(ttl=60, tags=["track:{track}"])
    def guidance(track: str) -> str:
        return track.upper()

    @space.invalidates(tags=["track:{track}"], keys=["metrics:*"], reason="retrained")
    def retrain(track: str, fail: bool = False) -> None:
        if fail:
            raise ValueError(track)

    @space.invalidates(tags=["track:{track}"], when="success")
    def check(track: str) -> None:
        raise ValueError(track)

    guidance("monza")
    guidance("spa")
    space.put("metrics:1", 1)
    with pytest.raises(ValueError, match="monza"):
        check("monza")
    assert guidance.only("monza") == "MONZA"
    with pytest.raises(ValueError, match="monza"):
        retrain("monza", fail=True)
    assert not space.exists("metrics:1")
    assert guidance.only("spa") == "SPA"
    with pytest.raises(NotFoundError):
        guidance.only("monza")


def test_methods_are_cached_when_it_is_said_what_matters_of_their_object(client: Client) -> None:
    space = client.namespace()

    class Model:
        def __init__(self, version: int) -> None:
            self.version = version

        def __hotplate_key__(self) -> int:
            return self.version

        @space.cached(ttl=60)
        def predict(self, x: int) -> int:
            return self.version * x

    class Plain:
        @space.cached(ttl=60)
        def predict(self, x: int) -> int:
            return x

    assert [Model(1).predict(3), Model(2).predict(3), Model(1).predict(3)] == [3, 6, 3]
    assert Model(1).predict.key(3) != Model(2).predict.key(3)
    with pytest.raises(ConfigurationError, match="__hotplate_key__"):
        Plain().predict(3)


def test_a_generator_is_cached_once_it_has_ended(client: Client) -> None:
    space = client.namespace()
    ran: list[int] = []

    @space.cached(ttl=60)
    def tokens(count: int) -> Iterator[str]:
        ran.append(count)
        for number in range(count):
            yield f"token {number}"

    assert next(iter(tokens(3))) == "token 0"
    assert list(tokens(3)) == list(tokens(3)) == ["token 0", "token 1", "token 2"]
    assert ran == [3, 3]


def test_coroutines_and_their_generators_are_cached(run: Run) -> None:
    async def test(client: AsyncClient) -> None:
        space = client.namespace()
        ran: list[int] = []

        @space.cached(ttl=60, version="auto")
        async def double(number: int) -> int:
            ran.append(number)
            return number * 2

        @space.cached(ttl=60)
        async def tokens(count: int) -> AsyncIterator[int]:
            ran.append(count)
            for number in range(count):
                yield number

        @space.invalidates(keys=["fn:*"])
        async def change() -> str:
            return "done"

        with detect() as seen:
            assert [await double(4), await double(4)] == [8, 8]
        assert [result for _, _, result in seen.calls] == ["computed", "hit"]
        assert [[one async for one in tokens(2)] for _ in range(2)] == [[0, 1], [0, 1]]
        assert ran == [4, 2]
        assert await change() == "done"
        assert await double(4) == 8
        assert ran == [4, 2, 4]
        with pytest.raises(ConfigurationError, match="no coroutine function"):
            space.cached()(len)  # type: ignore[arg-type]

    run(test)


def test_type_checkers_see_what_was_decorated(client: Client) -> None:
    space = client.namespace()

    @space.cached(ttl=60)
    def half(number: int, *, exact: bool = True) -> float:
        return number / 2

    @space.invalidates(keys=["k"])
    def change(text: str) -> bytes:
        return text.encode()

    assert_type(half(3, exact=False), float)
    assert_type(half.refresh(3), float)
    assert_type(change("x"), bytes)
    assert_type(space.get_or_compute("k", lambda: 1), int)
    with pytest.raises(TypeError):
        half("3", exactly=True)  # type: ignore[arg-type, call-arg]


def test_arguments_of_which_no_key_can_be_made_are_refused(client: Client) -> None:
    @client.namespace().cached()
    def of_anything(value: object) -> int:
        return 1

    with pytest.raises(InvalidArgumentError, match="ignore="):
        of_anything(object())
    with pytest.raises(ConfigurationError, match="no parameter"):
        client.namespace().cached(ignore=("valeu",))(of_anything)


def test_two_classes_with_the_same_fields_do_not_share_a_result(client: Client) -> None:
    @dataclasses.dataclass
    class Van:
        name: str
        laps: int

    @client.namespace().cached(ttl=60)
    def kind(vehicle: object) -> str:
        return type(vehicle).__name__

    assert [kind(Car("x", 1)), kind(Van("x", 1)), kind(Car("x", 1))] == ["Car", "Van", "Car"]


def test_an_argument_is_one_part_of_a_key_whatever_it_holds(client: Client) -> None:
    space = client.namespace()

    @space.invalidates(keys=["user:{uid}"])
    def rename(uid: str) -> None: ...

    @space.invalidates(keys=[r"page:{uid}:*"], prefix="draft:{uid}:")
    def drop(uid: str) -> None: ...

    for uid in ("1", "2", "a/b c", "a:b", "~x", "é", "\\", "*"):
        space.put(Key("user").id(uid), 1)
        space.put(Key("page").id(uid).id("x"), 1)
        space.put(Key("draft").id(uid).id("x"), 1)
    left = 24
    for uid in ("*", "a/b c", "a:b", "~x", "e\u0301", "\\"):
        rename(uid)
        assert not space.exists(Key("user").id(uid))
        drop(uid)
        left -= 3
        assert len(space.list()) == left
    assert space.list() == sorted(
        str(Key(kind).id(uid)) + more for kind, more in (("user", ""), ("page", ":x"), ("draft", ":x")) for uid in "12"
    )
    with pytest.raises(InvalidArgumentError, match="empty"):
        drop("")
    assert len(space.list()) == 6


def test_dependencies_of_arguments_are_keys_and_tags(client: Client) -> None:
    space = client.namespace()

    @space.cached(ttl=60, depends_on=["model:{name}", "tag:of {name}"])
    def report(name: str) -> str:
        return name

    report("a/b")
    space.invalidate(Key("model").id("a/b"))
    assert not space.exists(report.key("a/b"))
    report("a/b")
    space.put("x", 1, tags=["of a/b"])
    space.invalidate(tags=["of a/b"])
    assert not space.exists(report.key("a/b"))


def test_options_that_can_be_gone_through_once_hold_for_every_call(client: Client) -> None:
    space = client.namespace()

    @space.cached(ttl=60, tags=(f"{kind}:{{track}}" for kind in ("track", "place")))
    def guidance(track: str) -> str:
        return track

    for track in ("monza", "spa"):
        guidance(track)
    assert [list(entry.metadata.tags) for entry in space.entries(Selector.tag("track:spa"))] == [
        ["place:spa", "track:spa"]
    ]
    assert space.invalidate(tags=["place:monza"]).matched == 1


def test_templates_that_name_no_argument_are_refused_when_decorating(client: Client) -> None:
    space = client.namespace()

    def plain(track: str) -> int:
        return 1

    for decorate in (
        space.cached(tags=["t:{trak}"]),
        space.cached(depends_on=["m:{}"]),
        space.cached(tags=["t:{track"]),
        space.invalidates(keys=["k:{trak.name}"]),
        space.invalidates(prefix="k:{trak[0]}"),
    ):
        with pytest.raises(ConfigurationError):
            decorate(plain)


def test_a_generator_that_was_overtaken_stores_nothing(client: Client) -> None:
    space = client.namespace()
    state = ["v1"]

    @space.cached(ttl=60, tags=["doc"])
    def items() -> Iterator[str]:
        version = state[0]
        yield f"{version}-a"
        yield f"{version}-b"

    for run in (items, items.refresh):
        state[0] = "old"
        running = run()
        assert next(running) == "old-a"
        state[0] = "new"
        space.invalidate(tags=["doc"])
        assert list(running) == ["old-b"]
        with pytest.raises(NotFoundError):
            list(items.only())
        assert list(items()) == list(items.only()) == ["new-a", "new-b"]
        space.invalidate(everything=True)


def test_of_several_runs_of_a_generator_one_is_stored_and_a_left_one_holds_nobody_up(client: Client) -> None:
    space = client.namespace()

    @space.cached(ttl_of=lambda made: 5 * len(made))
    def items(start: int) -> Iterator[int]:
        yield from range(start, start + 2)

    first, second = items(0), items(0)
    assert [next(first), next(second), *second, *first] == [0, 0, 1, 1]
    assert 0 < (space.ttl(items.key(0)) or 0) <= 10
    left = items(7)
    next(left)
    left.close()  # type: ignore[attr-defined]
    assert list(items(7)) == list(items.only(7)) == [7, 8]


def test_options_that_mean_nothing_are_refused_when_decorating(client: Client) -> None:
    space = client.namespace()

    def items() -> Iterator[int]:
        yield 1

    def plain() -> int:
        return 1

    for options in ({"cache": "bypass"}, {"wait": 1}, {"stale_if_error": True}, {"remember_failure": 1}):
        with pytest.raises(ConfigurationError, match=f"`{next(iter(options))}`"):
            space.cached(**options)(items)
    with pytest.raises(ConfigurationError, match="in_thread"):
        space.cached(in_thread=True)(plain)
    with pytest.raises(ConfigurationError, match="generator"):
        space.invalidates(keys=["r:*"])(items)
    with pytest.raises(ConfigurationError, match="`prefix`"):
        space.cached()(functools.partial(plain))
    assert space.cached(prefix="p")(functools.partial(plain))() == 1


_CACHE = fake_client().namespace()


@_CACHE.cached()
def doubled(number: int) -> int:
    return number * 2


class Ratio:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __hotplate_key__(self) -> int:
        return self.factor

    @_CACHE.cached()
    def of(self, number: int) -> int:
        return self.factor * number


def test_what_is_decorated_is_pickled_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    again = pickle.loads(pickle.dumps(Ratio(3).of))
    assert again(4) == 12
    assert copy.copy(doubled)(2) == 4
    assert_type(Ratio(3).of(4), int)
    assert_type(Ratio(3).of.refresh(4), int)
    with pytest.raises(TypeError):
        Ratio(3).of("4", 5)  # type: ignore[arg-type, call-arg]


def test_coroutine_functions_stay_coroutine_functions(run: Run) -> None:
    async def test(client: AsyncClient) -> None:
        @client.namespace().cached()
        async def one() -> int:
            return 1

        if sys.version_info >= (3, 12):
            assert inspect.iscoroutinefunction(one)
        assert await one() == 1

    run(test)
