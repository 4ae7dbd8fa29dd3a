"""Many keys at once: how they are cut, and what becomes of each when some cannot be asked for or stored."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from conftest import wait_until
from scripted import fails, scripted

from hotplate import Client, Hit, HotplateError, InvalidArgumentError, Key, Miss, UnavailableError, Written
from hotplate.serializers import Raw
from hotplate.v1 import cache_pb2 as pb


def test_a_batch_is_cut_by_bytes_and_what_is_large_goes_by_itself(client: Client) -> None:
    space = client.namespace(serializer=Raw())
    values: dict[str, bytes] = {f"k{number}": bytes([number]) * 400_000 for number in range(30)}
    values["large"] = b"l" * (2 << 20)
    values["last"] = b"x"
    done = space.put_many(values)
    assert list(done) == list(values)
    assert {one.outcome if isinstance(one, Written) else str(one) for one in done.values()} == {"stored"}
    found = space.get_many(values)
    assert {key: one.value if isinstance(one, Hit) else one for key, one in found.items()} == values
    assert client.available


def test_a_message_holds_less_than_four_mebibytes() -> None:
    with scripted() as server, Client(server.url) as client:
        client.namespace(serializer=Raw()).put_many({f"k{number}": b"v" * 400_000 for number in range(25)})
        sizes = [sum(len(item.value) for item in call.items) for call in server.seen("BatchPut")]
        assert sizes == [3_600_000, 3_600_000, 2_800_000]


def test_what_one_message_fails_with_is_its_items_failure() -> None:
    calls = 0

    def batch(request: Any, context: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")
        put = pb.BatchPutResult(response=pb.PutResponse(outcome=pb.PUT_OUTCOME_STORED))
        return pb.BatchPutResponse(results=[put for _ in request.items])

    with scripted() as server, Client(server.url) as client:
        server.answers["BatchPut"] = batch
        done = client.namespace().put_many({f"k{number}": 1 for number in range(250)})
        kinds = [one.kind if isinstance(one, HotplateError) else one.outcome for one in done.values()]
        assert kinds == ["stored"] * 100 + ["PERMISSION_DENIED"] * 100 + ["stored"] * 50
        server.answers["BatchGet"] = fails(grpc.StatusCode.UNAVAILABLE)
        with Client(server.url, on_error="raise") as raising, pytest.raises(UnavailableError):
            raising.namespace().get_many(["a", "b"])


def test_an_item_that_is_no_text_fails_alone(client: Client) -> None:
    space = client.namespace()
    bad = "sec-\ud800-ret"
    done = space.put_many({"a": 1, bad: 2, "b": 3})
    assert list(done) == ["a", bad, "b"]
    found = space.get_many(["a", bad, Key("x").id("\udfff"), "b"])
    for answers in (done, found):
        for key, one in answers.items():
            if "\ud800" in key or "\udfff" in key:
                assert isinstance(one, InvalidArgumentError)
                assert one.field == "key"
                assert "sec" not in f"{one!s}{one.args}"
            else:
                assert isinstance(one, (Written, Hit))


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("key", lambda space, bad: space.get(bad)),
        ("key", lambda space, bad: space.put(bad, 1)),
        ("key", lambda space, bad: space.get_or_compute(bad, lambda: 1)),
        ("key", lambda space, bad: space.read_stream(bad)),
        ("key", lambda space, bad: space.explain(bad)),
        ("tags", lambda space, bad: space.put("k", 1, tags=[bad])),
        ("labels", lambda space, bad: space.put("k", 1, labels={"a": bad})),
        ("kind", lambda space, bad: space.put("k", 1, kind=bad)),
        ("reason", lambda space, bad: space.put_negative("k", bad)),
        ("message", lambda space, bad: space.put_negative("k", "REASON", bad)),
        ("reason", lambda space, bad: space.invalidate("k", reason=bad)),
        ("reason", lambda space, bad: space.remove("k", reason=bad)),
        ("reason", lambda space, bad: space.mark_stale("k", reason=bad)),
        ("prefix", lambda space, bad: space.invalidate(prefix=bad)),
        ("origin", lambda space, bad: space.refresh("k", origin=bad)),
        ("parameters", lambda space, bad: space.refresh("k", parameters={"a": bad})),
        ("job_id", lambda space, bad: space.join_preload(bad)),
        ("namespace", lambda space, bad: space.client.namespace(bad)),
    ],
)
def test_text_that_is_none_is_refused_and_not_repeated(client: Client, field: str, call: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        call(client.namespace(), "sec-\ud800-ret")
    assert caught.value.field == field
    assert "sec" not in f"{caught.value!s}{caught.value.__cause__}"


def test_a_request_that_cannot_leave_is_its_callers_fault(client: Client) -> None:
    labels = {str(number): "x" * 1_000_000 for number in range(17)}
    with pytest.raises(InvalidArgumentError, match="not sent"):
        client.namespace().put("k", 1, labels=labels)
    assert client.degradation.writes_dropped == 0
    wait_until(lambda: client.namespace().get("k") == Miss("never_stored"))
