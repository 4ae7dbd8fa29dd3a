"""Measures the client against a server, and prints one JSON object: {mode, ops_per_s, p50_us, p99_us, errors}.

Modes: unary (one Get a call), batched (100 Gets a call), near (reads kept in this process), herd (many callers of one
computation, of this and of other processes that run it at the same time; then computations and max_wait_ms as well).
With `--threads` the threaded client is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from hotplate import AsyncClient, AsyncNamespace, Client, Hit, NearOptions
from hotplate.serializers import Raw

KEYS = 1_000
BATCH = 100
#: Latencies that each caller keeps, so that a long run stays within memory.
LATENCIES_MAX = 1 << 18
#: How long the computation of the herd is.
HERD_TAKES = 2.0


class Measured:
    """What all callers did."""

    def __init__(self, seconds: float) -> None:
        self.began = time.perf_counter()
        self.ends = self.began + seconds
        self.done = 0
        self.errors = 0
        self.latencies: list[float] = []

    def took(self, began: float, count: int, errors: int) -> None:
        self.done += count
        self.errors += errors
        if len(self.latencies) < LATENCIES_MAX:
            self.latencies.append(time.perf_counter() - began)

    def report(self, mode: str, **more: Any) -> dict[str, Any]:
        ordered = sorted(self.latencies) or [0.0]

        def quantile(share: float) -> float:
            return round(ordered[int(share * (len(ordered) - 1))] * 1e6, 1)

        return {
            "mode": mode,
            "ops_per_s": round(self.done / (time.perf_counter() - self.began), 1),
            "p50_us": quantile(0.5),
            "p99_us": quantile(0.99),
            "errors": self.errors,
            **more,
        }


def misses(found: Any) -> int:
    """How many of what was read are no hits."""
    all_found = found.values() if isinstance(found, dict) else [found]
    return sum(not isinstance(one, Hit) for one in all_found)


def turns(caller: int) -> Iterator[int]:
    """Where a caller reads, time after time."""
    at = caller * 31
    while True:
        yield at
        at += 1


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The asyncio client."""
    near = NearOptions(copy="none") if options.mode == "near" else None
    async with AsyncClient(options.url, near_cache=near, on_error="raise", serializer=Raw()) as client:
        space = client.namespace()
        if options.mode == "herd":
            return await herd(space, options)
        names = [f"bench:python:{number}" for number in range(KEYS)]
        await space.put_many(dict.fromkeys(names, bytes(options.value_size)), ttl="1h")
        read, each = _reader(options.mode, names, space.get, space.get_many)
        measured = Measured(options.seconds)

        async def caller(number: int) -> None:
            for at in turns(number):
                began = time.perf_counter()
                if began >= measured.ends:
                    return
                measured.took(began, each, misses(await read(at)))
                if options.mode == "near":
                    # A hit does not wait: the others would never have their turn.
                    await asyncio.sleep(0)

        await asyncio.gather(*(caller(number) for number in range(options.in_flight)))
        return measured.report(options.mode)


def _reader(
    mode: str, names: list[str], get: Callable[[str], Awaitable[Any]], get_many: Callable[[list[str]], Awaitable[Any]]
) -> tuple[Callable[[int], Awaitable[Any]], int]:
    if mode == "batched":
        return lambda at: get_many(names[at * BATCH % KEYS : at * BATCH % KEYS + BATCH]), BATCH
    return lambda at: get(names[at % KEYS]), 1


async def herd(space: AsyncNamespace, options: argparse.Namespace) -> dict[str, Any]:
    """All callers ask for one computation at once."""
    computations = 0
    measured = Measured(options.seconds)

    async def compute() -> bytes:
        nonlocal computations
        computations += 1
        await asyncio.sleep(HERD_TAKES)
        return bytes(options.value_size)

    async def caller() -> None:
        began = time.perf_counter()
        try:
            await space.get_or_compute("bench:herd", compute, ttl="1m")
            measured.took(began, 1, 0)
        except Exception as error:
            print(error, file=sys.stderr)
            measured.took(began, 1, 1)

    await asyncio.gather(*(caller() for _ in range(options.in_flight)))
    longest = round(max(measured.latencies) * 1000)
    return measured.report(options.mode, computations=computations, max_wait_ms=longest)


def measure_threads(options: argparse.Namespace) -> dict[str, Any]:
    """The threaded client."""
    near = NearOptions(copy="none") if options.mode == "near" else None
    with Client(options.url, near_cache=near, on_error="raise", serializer=Raw()) as client:
        space = client.namespace()
        names = [f"bench:python:{number}" for number in range(KEYS)]
        space.put_many(dict.fromkeys(names, bytes(options.value_size)), ttl="1h")
        computations: list[int] = []
        lock = threading.Lock()
        measured = Measured(options.seconds)

        def compute() -> bytes:
            computations.append(1)
            time.sleep(HERD_TAKES)
            return bytes(options.value_size)

        def once(at: int) -> tuple[int, int]:
            if options.mode == "herd":
                space.get_or_compute("bench:herd", compute, ttl="1m")
                return 1, 0
            if options.mode == "batched":
                return BATCH, misses(space.get_many(names[at * BATCH % KEYS : at * BATCH % KEYS + BATCH]))
            return 1, misses(space.get(names[at % KEYS]))

        def caller(number: int) -> None:
            for at in turns(number):
                began = time.perf_counter()
                if began >= measured.ends:
                    return
                count, missed = once(at)
                with lock:
                    measured.took(began, count, missed)
                if options.mode == "herd":
                    return

        threads = [threading.Thread(target=caller, args=(number,)) for number in range(options.in_flight)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if options.mode != "herd":
            return measured.report(options.mode)
        longest = round(max(measured.latencies) * 1000)
        return measured.report(options.mode, computations=len(computations), max_wait_ms=longest)


def main() -> None:
    """Measures what the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", default=os.environ.get("HOTPLATE_URL", "hotplate://127.0.0.1:7070"))
    parser.add_argument("--mode", choices=["unary", "batched", "near", "herd"], default="unary")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--in-flight", type=int, default=32, help="callers at the same time")
    parser.add_argument("--value-size", type=int, default=1024, help="bytes of a value")
    parser.add_argument("--threads", action="store_true", help="measure the threaded client")
    options = parser.parse_args()
    if options.in_flight < 1 or options.value_size < 0 or options.seconds <= 0:
        parser.error("--in-flight and --seconds are above zero, --value-size is not below")
    print(json.dumps(measure_threads(options) if options.threads else asyncio.run(measure(options))))


if __name__ == "__main__":
    main()
