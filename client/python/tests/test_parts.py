"""Parts that need no server: settings, checksums, statuses, keys of content, the fake."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import google_crc32c
import numpy
import pyarrow
import pytest

import hotplate
from hotplate import AsyncClient, Client, ConfigurationError, Hit, Key, Miss, NearOptions, UnavailableError
from hotplate._core import crc32c, endpoint, status, transfer
from hotplate.testing import FakeServer, fake_async_client, fake_client


@pytest.mark.parametrize("size", [0, 1, 4_095, 4_096, 5_000, 70_001, (1 << 20) + 777])
def test_checksums_are_those_of_the_c_library(size: int) -> None:
    data = os.urandom(size)
    whole = google_crc32c.value(data)
    assert crc32c.python_crc32c(data) == whole
    half = size // 3
    assert crc32c.combine(google_crc32c.value(data[:half]), google_crc32c.value(data[half:]), size - half) == whole


@pytest.mark.parametrize(
    "make",
    [
        lambda: Client("ftp://host"),
        lambda: Client("hotplate://user:secret@host"),
        lambda: Client("hotplate://host?colour=red"),
        lambda: Client("hotplate://host?tls=True"),
        lambda: Client("hotplate://host?tls=1"),
        lambda: Client("https://host?tls=yes"),
        lambda: Client("hotplate://cache.example", token="secret"),
        lambda: Client(token=" "),
        lambda: Client(profile="fast"),
        lambda: Client(timeout=0),
        lambda: Client(journal_max=0),
        lambda: Client(connections_max=65),
        lambda: Client(client_id="x" * 129),
        lambda: Client(near_cache="1KiB"),
        lambda: Client(near_cache=NearOptions(progress_max="1h")),
        lambda: Client(near_cache=NearOptions(follow=[])),
        lambda: Client(tls=hotplate.Tls(ca=b"no pem")),
    ],
)
def test_settings_that_cannot_work_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert "secret" not in str(caught.value)


def test_addresses_are_taken_apart() -> None:
    address = endpoint.parse("hotplate://[::1]/ml?timeout=250ms&profile=in_cluster")
    assert (address.target, address.namespace, address.timeout) == ("[::1]:7070", "ml", 0.25)
    assert address.is_loopback
    assert endpoint.parse("cache:7071").target == "cache:7071"
    assert endpoint.parse("https://cache").target == "cache:443"


def test_the_environment_sets_a_client_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "token").write_text("secret\n")
    monkeypatch.setenv("HOTPLATE_URL", "hotplate://127.0.0.1:1/ml, hotplate://127.0.0.1:2")
    monkeypatch.setenv("HOTPLATE_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("HOTPLATE_TIMEOUT", "250ms")
    with Client.from_env(namespace="own") as client:
        assert client.namespace_name == "own"
        assert client._setup.token == "secret"
        assert "secret" not in repr(client._setup)
        assert len(client._setup.addresses) == 2
        assert client._setup.profile.call_timeout == 0.25


def test_the_kill_switch_is_yes_or_no(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, is_off in (("1", True), ("true", True), ("0", False), ("false", False), ("", False)):
        monkeypatch.setenv("HOTPLATE_DISABLE", value)
        with Client() as client:
            assert client._setup.disabled is is_off
    monkeypatch.setenv("HOTPLATE_DISABLE", "yes")
    with pytest.raises(ConfigurationError, match="HOTPLATE_DISABLE is 1 or true, 0 or false"):
        Client()


def test_details_of_a_status_are_read() -> None:
    def field(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    def detail(name: bytes, body: bytes) -> bytes:
        return field(3, field(1, b"type.googleapis.com/google.rpc." + name) + field(2, body))

    pair = field(3, field(1, b"limit") + field(2, b"5"))
    data = (
        detail(b"ErrorInfo", field(1, b"TOO_LARGE") + pair)
        + detail(b"BadRequest", field(1, field(1, b"value")))
        + detail(b"RetryInfo", field(1, b"\x08\x02"))
    )
    error = status.of_status(8, "too large", data)
    assert (error.kind, error.reason, error.field, error.retry_after) == ("RESOURCE_EXHAUSTED", "TOO_LARGE", "value", 2)
    assert error.details == {"limit": "5"}
    assert status.of_status(14, "away", b"\xff\xff\xff").kind == "UNAVAILABLE"


def test_equal_content_has_equal_keys() -> None:
    one, two = numpy.arange(4).reshape(2, 2), numpy.arange(4).reshape(2, 2)
    assert Key("k").content(one) == Key("k").content(two) != Key("k").content(one.reshape(4))
    table = pyarrow.table({"a": [1, 2, 3]})
    chunked = pyarrow.concat_tables([table.slice(0, 1), table.slice(1)])
    assert Key("k").content(table) == Key("k").content(chunked)
    assert "secret" not in repr(Key("secret"))


def test_the_fake_is_a_cache_whose_time_is_moved_by_hand() -> None:
    now = [0.0]
    fake = FakeServer(lambda: now[0])
    with fake_client(fake) as client:
        space = client.namespace()
        space.put("k", 1, ttl=10, tags=["t"])
        assert isinstance(space.get("k"), Hit)
        now[0] = 11
        assert space.get("k") == Miss("expired")
        assert space.get_or_compute("k", lambda: 2, tags=["t"]) == 2
        assert space.list() == ["k"]
        assert space.invalidate(tags=["t"]).matched == 1
        fake.failure = UnavailableError("away")
        assert space.get("k") == Miss("unavailable")

    async def test() -> None:
        async with fake_async_client(FakeServer()) as other:
            space = other.namespace()
            assert isinstance(other, AsyncClient)
            got = await asyncio.gather(*(space.get_or_compute("k", asyncio.Event) for _ in range(3)))
            assert len({id(one) for one in got}) == 1

    asyncio.run(test())


def test_an_upload_goes_on_after_an_older_stream_of_its_own_took_over() -> None:
    taken = hotplate.FailedPreconditionError("another stream writes it", reason="UPLOAD_TAKEN_OVER")
    assert transfer.is_interruption(taken)
    assert not transfer.is_interruption(hotplate.FailedPreconditionError("no", reason="VERSION_GONE"))
    # As a failure that is counted: two that took over from each other would come to an end.
    failures = transfer.Failures()
    for _ in range(transfer.FAILURES_MAX):
        assert failures.pause(taken, 5) > 0
    with pytest.raises(hotplate.FailedPreconditionError):
        failures.pause(taken, 5)
