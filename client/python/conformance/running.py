"""What goes on beside requests: computations that are counted, and watches that are read."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import answers
from answers import ComputeFailedError, PanickedError
from values import Fault, value_of

from hotplate import HotplateError


class Gates:
    """What computations wait for, and their counts."""

    def __init__(self) -> None:
        self.counts: dict[str, list[int]] = {}
        self.ending = threading.Event()
        self._gates: dict[str, tuple[asyncio.Event, threading.Event]] = {}

    def gate(self, name: str) -> tuple[asyncio.Event, threading.Event]:
        return self._gates.setdefault(name, (asyncio.Event(), threading.Event()))

    def end(self) -> None:
        # Threads cannot be cancelled: what they compute ends.
        self.ending.set()
        for _, gate in self._gates.values():
            gate.set()


class Function:
    """What is computed."""

    def __init__(self, gates: Gates, compute: dict[str, Any]) -> None:
        unknown = set(compute) - {"name", "value", "fail", "takes_ms", "gate", "panics"}
        if unknown:
            raise Fault(f"a computation with {sorted(unknown)}")
        self.compute = compute
        self.gates = gates
        self.counts = gates.counts.setdefault(compute.get("name", ""), [0, 0])
        self.ran = False

    async def run(self) -> Any:
        self._begin()
        await asyncio.sleep(self.compute.get("takes_ms", 0) / 1000)
        if self.compute.get("gate"):
            await self.gates.gate(self.compute["gate"])[0].wait()
        return self._end()

    def run_threaded(self) -> Any:
        self._begin()
        self.gates.ending.wait(self.compute.get("takes_ms", 0) / 1000)
        if self.compute.get("gate"):
            self.gates.gate(self.compute["gate"])[1].wait()
        return self._end()

    def _begin(self) -> None:
        self.ran = True
        self.counts[0] += 1

    def _end(self) -> Any:
        self.counts[1] += 1
        if self.compute.get("panics"):
            raise PanickedError("told to panic")
        if self.compute.get("fail") is not None:
            raise ComputeFailedError(self.compute["fail"])
        return value_of(self.compute.get("value"))


class Watched:
    """A watch, read on its own, so that what is asked for is there or not."""

    def __init__(self, call: Callable[..., Awaitable[Any]], watch: Any) -> None:
        self.call = call
        self.watch = watch
        self.token = b""
        self.items: asyncio.Queue[tuple[Any, bytes]] = asyncio.Queue(1_000)
        self.reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        try:
            while (item := await self.call(self.watch.next)) is not None:
                await self.items.put((item, self.watch.resume_token))
        except HotplateError as error:
            await self.items.put((error, self.watch.resume_token))

    async def take(self, count: int, within: float, progress: bool) -> tuple[list[Any], bytes]:
        ends = time.monotonic() + within
        taken: list[Any] = []
        while len(taken) < count:
            try:
                async with asyncio.timeout(max(0.0, ends - time.monotonic())):
                    item, token = await self.items.get()
            except TimeoutError:
                break
            if isinstance(item, HotplateError):
                raise item
            self.token = token
            if item.type != "progress" or progress:
                taken.append(answers.item(item))
        return taken, self.token

    async def close(self) -> None:
        self.watch.close()
        self.reading.cancel()
        await asyncio.wait({self.reading}, timeout=5)
