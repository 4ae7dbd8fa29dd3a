"""The vectors of `tests/conformance`, which every client runs."""

from __future__ import annotations

import json
import struct
from datetime import timedelta
from pathlib import Path
from typing import Any

import near_case
import pytest
import values

from hotplate import HotplateError, format_duration, parse_duration
from hotplate._core import canonical, retry
from hotplate.ttl import parse_ttl

ROOT = Path(__file__).resolve().parents[3]
KEYS = json.loads((ROOT / "tests/conformance/keys.json").read_text())
NEAR = json.loads((ROOT / "tests/conformance/near.json").read_text())


@pytest.mark.parametrize("vector", KEYS["keys"], ids=lambda vector: vector["name"])
def test_every_key_vector_holds(vector: dict[str, Any]) -> None:
    if vector.get("refused"):
        with pytest.raises(HotplateError, match="INVALID_ARGUMENT"):
            str(values.built(vector["calls"]))
    else:
        assert str(values.built(vector["calls"])) == vector["key"]


def test_every_float_vector_holds() -> None:
    assert len(KEYS["floats"]) >= 100
    for vector in KEYS["floats"]:
        number = struct.unpack(">d", bytes.fromhex(vector["bits"]))[0]
        assert canonical.float_text(number) == vector["text"]


@pytest.mark.parametrize("case", NEAR["cases"], ids=lambda case: case["name"])
def test_every_near_cache_vector_holds(case: dict[str, Any]) -> None:
    for step, came in zip(case["steps"], near_case.run(NEAR["settings"], case), strict=True):
        assert came == _expected(step), step


def _expected(step: dict[str, Any]) -> dict[str, Any]:
    match step["step"]:
        case "answer":
            return {"kept": step["kept"], **({"why": step["why"]} if "why" in step else {})}
        case "read":
            return {"value": step["expect"]}
        case "followed":
            return {"add": sorted(step.get("add", [])), "remove": sorted(step.get("remove", []))}
        case _:
            return {"reopen": True} if step.get("reopen") else {}


def test_retries_are_those_of_the_service_config() -> None:
    config = json.loads((ROOT / "client/service_config.json").read_text())
    policy = config["methodConfig"][0]["retryPolicy"]
    assert policy["maxAttempts"] == retry.ATTEMPTS_MAX
    assert policy["initialBackoff"] == f"{retry.BACKOFF_FIRST}s"
    assert policy["maxBackoff"] == f"{retry.BACKOFF_MAX}s"
    assert policy["backoffMultiplier"] == retry.BACKOFF_MULTIPLIER
    assert config["retryThrottling"] == {"maxTokens": retry.BUDGET_TOKENS, "tokenRatio": retry.BUDGET_RATIO}


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("1d2h3m50s", 93_830_000),
        ("250ms", 250),
        ("90", 90_000),
        ("1.5", 1_500),
        ("1w", 604_800_000),
        ("5m5ms", 300_005),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, millis: int) -> None:
    assert parse_duration(text) == timedelta(milliseconds=millis)
    assert parse_duration(format_duration(timedelta(milliseconds=millis))) == timedelta(milliseconds=millis)


@pytest.mark.parametrize("text", ["", "0", "0ms", "1s1h", "1h1h", "5x", "-1", "1.2345", ".5", "1.", "36501d", "١"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(HotplateError, match="INVALID_ARGUMENT"):
        parse_duration(text)


def test_classes_are_read_in_any_case() -> None:
    assert parse_ttl(" VERY_LONG ") == "very_long"
    assert parse_ttl("of_our_own") == "of_our_own"
