"""What callers get when the cache is away, and when it is back."""

from __future__ import annotations

import socket

import pytest
from conftest import wait_until

from hotplate import Client, Invalidated, Miss, ResourceExhaustedError, UnavailableError, Written
from hotplate._core.breaker import Breaker
from hotplate._core.retry import Budget
from hotplate.testing import local_server


def _nobody() -> str:
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"hotplate://127.0.0.1:{free.getsockname()[1]}/t"


def test_a_cache_that_is_away_is_a_miss_and_costs_nothing_after_a_while() -> None:
    changes: list[bool] = []

    def changed(available: bool) -> None:
        changes.append(available)
        raise RuntimeError("a failure of the hook is its own")

    with Client(_nobody(), timeout="5s", on_state_change=changed) as client:
        space = client.namespace()
        while client.available:
            assert space.get("k") == Miss("unavailable")
        assert changes == [False]
        assert space.put("k", 1) == Written("dropped", None, "unavailable")
        assert space.get_or_compute("k", lambda: 7) == 7
        assert not space.exists("k")
        assert client.degradation.outages == 1
        assert client.degradation.writes_dropped == 1


def test_failures_are_raised_where_that_is_asked_for() -> None:
    with Client(_nobody(), timeout="5s", on_error="raise") as client, pytest.raises(UnavailableError):
        client.namespace().get("k")


def test_invalidations_are_remembered_and_bounded() -> None:
    with Client(_nobody(), timeout="5s", journal_max=2) as client:
        space = client.namespace()
        assert space.invalidate("a", "b") == Invalidated("queued")
        assert client.invalidations_waiting == 2
        with pytest.raises(ResourceExhaustedError) as caught:
            space.invalidate("c")
        assert caught.value.reason == "JOURNAL_FULL"


def test_a_frozen_server_is_a_miss_and_what_was_invalidated_meanwhile_goes_first() -> None:
    with local_server() as server, Client(server.url(), timeout="1500ms") as client:
        space = client.namespace()
        space.put("k", 1)
        server.pause()
        assert space.get("k") == Miss("timeout")
        assert space.remove("k").outcome == "queued"
        assert isinstance(space.get("k"), Miss)
        server.go_on()
        wait_until(lambda: client.invalidations_waiting == 0)
        found = wait_until(lambda: one if (one := space.get("k")) != Miss("unavailable") else None)
        assert found == Miss("invalidated")
        assert client.degradation.invalidations_replayed == 1


def test_the_kill_switch_turns_everything_off(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("HOTPLATE_DISABLE", "1")
    with Client(url) as client:
        space = client.namespace()
        assert not client.available
        assert space.put("k", 1) == Written("dropped", None, "disabled")
        assert space.get("k") == Miss("disabled")
        assert space.invalidate("k") == Invalidated("disabled")
        assert space.get_or_compute("k", lambda: 7) == 7


def test_the_breaker_opens_at_the_fifth_failure_in_a_row_and_probes() -> None:
    now = [0.0]
    told: list[bool] = []
    breaker = Breaker(told.append, lambda: now[0])
    for _ in range(3):
        for _ in range(4):
            breaker.failed()
        assert breaker.admits()
        breaker.succeeded()
    for _ in range(5):
        breaker.failed()
    assert not breaker.admits()
    now[0] = 0.79
    assert not breaker.admits()
    now[0] = 1.21
    assert breaker.admits()
    assert not breaker.admits()
    breaker.succeeded()
    assert breaker.admits()
    assert told == [False, True]


def test_the_budget_stops_retries_while_more_than_one_call_in_ten_fails() -> None:
    budget = Budget()
    for _ in range(49):
        assert budget.failed()
    assert not budget.failed()
    for _ in range(20):
        budget.succeeded()
    assert budget.failed()
