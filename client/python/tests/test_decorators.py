"""Decorated functions: found again by their arguments, dropped by what they name, typed as before."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterator
from typing import assert_type

import pytest
from conftest import Run

from hotplate import AsyncClient, Client, ConfigurationError, InvalidArgumentError, NotFoundError, detect


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
