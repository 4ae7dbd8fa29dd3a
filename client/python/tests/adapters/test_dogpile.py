"""dogpile.cache's own suites, and what they do not ask."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dogpile.cache import make_region
from dogpile.cache.api import NO_VALUE
from dogpile.testing.fixtures import (
    _GenericBackendFixture,
    _GenericBackendTestSuite,
    _GenericMutexTestSuite,
    _GenericSerializerTestSuite,
)

import hotplate.adapters.dogpile
from hotplate import Client, errors
from hotplate.adapters.dogpile import SigningKey
from hotplate.testing import LocalServer


class _Own(_GenericBackendFixture):
    backend = "dogpile.cache.hotplate"

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _configured(cls, server: LocalServer) -> Iterator[None]:
        # setup_class, which comes first, needs arguments; where the server is is known from here on.
        cls.config_args["arguments"]["url"] = server.url(f"dogpile-{cls.__name__.lower()}")
        yield
        cls._keys.clear()


class TestBackend(_Own, _GenericBackendTestSuite):
    config_args: dict[str, Any] = {"arguments": {"ttl": "10m"}}  # noqa: RUF012 - as the suite declares it


class TestSerializer(_GenericSerializerTestSuite, _Own):
    config_args: dict[str, Any] = {"arguments": {"ttl": "10m"}}  # noqa: RUF012 - as the suite declares it


class TestSerializerSigned(_GenericSerializerTestSuite, _Own):
    config_args: dict[str, Any] = {"arguments": {"hmac_key": SigningKey(bytes(range(32)))}}  # noqa: RUF012 - as the suite declares it


class TestShared(_Own, _GenericBackendTestSuite, _GenericMutexTestSuite):
    config_args: dict[str, Any] = {"arguments": {"distributed_lock": True}}  # noqa: RUF012 - as the suite declares it


def region(url: str, **arguments: Any) -> Any:
    return make_region().configure("dogpile.cache.hotplate", arguments={"url": url, **arguments})


def test_values_are_json_with_tags_and_a_lifetime(client: Client, url: str) -> None:
    region(url, ttl="1h", tags=["pages"], prefix="site").set("k", {"é": [1, None]})
    (entry,) = client.namespace().entries()
    assert (entry.key, entry.metadata.kind, list(entry.metadata.tags)) == ("site:k", "dogpile", ["pages"])
    assert entry.metadata.fresh_for.seconds > 3500
    assert region(url, prefix="site").get("k") == {"é": [1, None]}


def test_nothing_is_unpickled_without_the_key(client: Client, url: str, key_file: Path) -> None:
    signed = region(url, hmac_key=key_file)
    signed.set("k", {1, 2})
    assert signed.get("k") == {1, 2}
    assert region(url, hmac_key=SigningKey(b"x" * 32)).get("k") is NO_VALUE
    from hotplate.serializers import Raw

    raw = client.namespace(serializer=Raw("application/x-signed-pickle"))
    (key,) = client.namespace().list()
    found = raw.get_value(key)
    raw.put(key, found[:-1] + b"!")
    assert signed.get("k") is NO_VALUE
    raw.put("dogpile:other", found)
    assert signed.get("other") is NO_VALUE


def test_keys_that_are_too_weak_are_refused(url: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="at least 32"):
        SigningKey(b"short")
    with pytest.raises(errors.ConfigurationError, match="cannot be read"):
        region(url, hmac_key="/does/not/exist")


def test_one_creator_for_all_processes(url: str) -> None:
    regions = [region(url, distributed_lock=True) for _ in range(4)]
    created = []
    together = threading.Barrier(4)

    def create() -> str:
        created.append(1)
        return "made"

    def ask(one: Any) -> None:
        together.wait(60)
        assert one.get_or_create("k", create) == "made"

    threads = [threading.Thread(target=ask, args=(one,)) for one in regions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert created == [1]


def test_a_cache_that_is_away_locks_nobody_out() -> None:
    away = region("hotplate://127.0.0.1:1/n?timeout=200ms", distributed_lock=True)
    assert away.get_or_create("k", lambda: "made") == "made"
    assert away.get("k") is NO_VALUE
    away.delete("k")


def test_a_lock_is_no_value(client: Client, url: str) -> None:
    backend = hotplate.adapters.dogpile.HotplateBackend({"url": url, "distributed_lock": True})
    mutex = backend.get_mutex("k")
    assert mutex is not None
    assert mutex.acquire()
    try:
        assert client.namespace().list() == []
        other = hotplate.adapters.dogpile.HotplateBackend({"url": url, "distributed_lock": True}).get_mutex("k")
        assert other is not None
        assert not other.acquire(False)
        assert other.locked()
    finally:
        mutex.release()
    assert not other.locked()
