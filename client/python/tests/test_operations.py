"""Reads, writes and invalidations against a real server, by both clients."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conftest import Run

from hotplate import (
    TTL,
    AsyncClient,
    Client,
    CodecError,
    Hit,
    HotplateError,
    InvalidArgumentError,
    Key,
    Miss,
    Negative,
    Selector,
    serializers,
)


def test_a_value_is_found_again_with_what_is_known_of_it(client: Client) -> None:
    space = client.namespace()
    key = Key("model", "metrics").id("abc-123")
    written = space.put(key, {"auc": 0.91}, ttl=TTL.LONG, tags=["model:abc-123"])
    assert written.is_stored
    found = space.get(key)
    assert isinstance(found, Hit)
    assert found.value == {"auc": 0.91}
    assert (found.tier, found.stale, found.near, found.etag) == ("memory", False, False, written.etag)
    assert 3_500 < found.fresh_for <= 3_600


def test_a_miss_says_why(client: Client) -> None:
    space = client.namespace()
    assert space.get("k") == Miss("never_stored")
    space.put("k", 1)
    assert space.remove("k").matched == 1
    assert space.get("k") == Miss("invalidated")
    assert space.get_value("k", "default") == "default"


def test_a_remembered_absence_is_neither_hit_nor_miss(client: Client) -> None:
    space = client.namespace()
    space.put_negative("k", "NOT_FOUND", "there is no such model", ttl=60)
    found = space.get("k")
    assert isinstance(found, Negative)
    assert (found.reason, found.message) == ("NOT_FOUND", "there is no such model")


@pytest.mark.parametrize("ttl", [60, 60.0, timedelta(minutes=1), "1m", "60"])
def test_a_lifetime_is_written_in_many_ways(client: Client, ttl: Any) -> None:
    space = client.namespace()
    space.put("k", 1, ttl=ttl, jitter=0)
    assert 55 < (space.ttl("k") or 0) <= 60


def test_many_values_come_with_one_call_more_than_a_batch_holds(client: Client) -> None:
    space = client.namespace()
    values = {f"k{number}": number for number in range(250)}
    assert all(not isinstance(one, HotplateError) and one.is_stored for one in space.put_many(values).values())
    found = space.get_many([*values, "nobody"])
    assert {key: one.value for key, one in found.items() if isinstance(one, Hit)} == values
    assert found["nobody"] == Miss("never_stored")


def test_conditions_hold(client: Client) -> None:
    space = client.namespace()
    assert space.put("k", 1, if_present=True).outcome == "precondition_failed"
    first = space.put("k", 1, if_absent=True)
    assert space.put("k", 2, if_absent=True).outcome == "precondition_failed"
    assert space.put("k", 2, if_etag=first.etag or "").is_stored
    assert space.put("k", 3, if_etag=first.etag or "").outcome == "precondition_failed"


def test_touch_exists_and_ttl_agree(client: Client) -> None:
    space = client.namespace()
    assert not space.touch("k", 60)
    assert not space.exists("k")
    space.put("k", 1, ttl=10)
    assert space.touch("k", TTL.DAY)
    assert space.exists("k")
    assert (space.ttl("k") or 0) > 80_000


@pytest.mark.parametrize(
    "choose",
    [
        lambda space: space.invalidate(tags=["t"]),
        lambda space: space.invalidate(prefix="a:"),
        lambda space: space.invalidate(glob="a:?"),
        lambda space: space.invalidate(kind="kind"),
        lambda space: space.invalidate(Selector.all_tags(["t", "u"])),
        lambda space: space.invalidate(keys=["a:1"]),
        lambda space: space.invalidate("a:1"),
        lambda space: space.invalidate(everything=True),
    ],
)
def test_what_is_selected_goes(client: Client, choose: Callable[[Any], Any]) -> None:
    space = client.namespace()
    space.put("a:1", 1, tags=["t", "u"], kind="kind")
    assert choose(space).outcome == "done"
    assert space.get("a:1") == Miss("invalidated")


def test_what_was_made_from_something_goes_with_it(client: Client) -> None:
    space = client.namespace()
    space.put("model", 1)
    space.put("metrics", 2, depends_on=["model"])
    space.remove("model")
    assert isinstance(space.get("metrics"), Miss)


def test_what_is_marked_stale_is_served_to_who_accepts_it(client: Client) -> None:
    space = client.namespace()
    space.put("k", 1, ttl=60, stale_for=60)
    space.mark_stale("k")
    assert isinstance(space.get("k"), Miss)
    found = space.get("k", accept_stale=True)
    assert isinstance(found, Hit)
    assert found.stale


def test_a_selection_of_nothing_is_refused(client: Client) -> None:
    with pytest.raises(InvalidArgumentError, match="nothing is selected"):
        client.namespace().invalidate()
    with pytest.raises(InvalidArgumentError, match="not one text"):
        client.namespace().invalidate(tags="model")


def test_an_option_that_is_not_known_is_refused(client: Client) -> None:
    with pytest.raises(InvalidArgumentError, match="`tll`"):
        client.namespace().put("k", 1, tll=60)  # type: ignore[call-arg]


def test_what_the_server_refuses_comes_with_reason_and_field(client: Client) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        client.namespace().get("")
    assert (caught.value.reason, caught.value.field) == ("BAD_KEY", "key")


def test_a_value_of_another_kind_is_an_error_not_a_guess(client: Client) -> None:
    space = client.namespace()
    space.with_serializer(serializers.Raw()).put("k", b"bytes")
    with pytest.raises(CodecError, match="application/octet-stream"):
        space.get("k")


def test_a_large_value_takes_the_way_of_streams(client: Client) -> None:
    space = client.namespace(serializer=serializers.Raw())
    value = os.urandom(5_000_001)
    assert space.put("large", value).is_stored
    assert space.get_value("large") == value
    many = space.get_many(["large", "none"])
    assert isinstance(many["large"], Hit)
    assert many["large"].value == value


def test_pieces_are_read_and_written(client: Client) -> None:
    space = client.namespace(serializer=serializers.Raw())
    pieces = [os.urandom(700_000) for _ in range(4)]
    with space.write_stream("k", ttl=60) as stream:
        for piece in pieces:
            stream.send(piece)
        assert isinstance(space.get("k"), Miss)
        assert stream.finish().is_stored
    with space.read_stream("k") as read:
        assert isinstance(read.found, Hit)
        assert read.found.value == 2_800_000
        assert b"".join(read) == b"".join(pieces)
    assert isinstance(space.read_stream("none").found, Miss)


def test_both_clients_read_what_the_other_wrote(client: Client, run: Run) -> None:
    client.namespace().put("k", {"from": "threads"})

    async def test(other: AsyncClient) -> None:
        space = other.namespace()
        assert await space.get_value("k") == {"from": "threads"}
        await space.put("k", {"from": "loop"})
        assert [entry.key async for entry in space.entries()] == ["k"] == await space.list()
        assert (await space.stats()).puts == 2
        assert (await space.explain("k")).events

    run(test)
    assert client.namespace().get_value("k") == {"from": "loop"}


def test_one_text_is_no_list_and_rivals_are_refused(client: Client) -> None:
    space = client.namespace()
    space.put("a", 1)
    for call in (
        lambda: space.invalidate(keys="a"),
        lambda: space.get_many("a"),
        lambda: space.preload("a").result(),
        lambda: space.put("a", 2, labels={"n": 1}),  # type: ignore[dict-item]
        lambda: space.put("a", 2, tags=[1]),  # type: ignore[list-item]
        lambda: space.put("a", 2, if_absent=True, if_present=True),
        lambda: space.put("a", 2, refresh_ahead=0.5, refresh_ahead_xfetch=1),
        lambda: space.invalidate(prefix=7),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidArgumentError):
            call()
    assert space.get_value("a") == 1


def test_texts_that_no_server_can_read_are_refused_and_not_told(client: Client) -> None:
    space = client.namespace()
    broken = "secret-\ud800"
    for field, call in (
        ("key", lambda: space.get(broken)),
        ("key", lambda: space.put(Key("k").id(broken), 1)),
        ("key", lambda: space.get(Key("k").params({"a": [broken]}))),
        ("tags", lambda: space.put("k", 1, tags=[broken])),
        ("kind", lambda: space.put("k", 1, kind=broken)),
        ("labels", lambda: space.put("k", 1, labels={broken: "x"})),
        ("depends_on", lambda: space.get_or_compute("k", lambda: 1, depends_on=[broken])),
        ("prefix", lambda: space.invalidate(prefix=broken)),
        ("glob", lambda: space.invalidate(glob=broken)),
        ("tag", lambda: space.invalidate(tags=[broken])),
        ("kind", lambda: space.invalidate(kind=broken)),
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            call()
        assert caught.value.field == field
        assert "secret" not in repr(caught.value)
