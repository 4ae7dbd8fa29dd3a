"""Speaks `tests/conformance/PROTOCOL.md`: does what it is told with this client, and says what came of it.

Knows no scenario and judges nothing. With `--sync` the operations are those of the threaded client.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import inspect
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "src")]

import answers
import values
from running import Function, Gates, Watched
from values import Fault, codec, key_of, told, value_of
from vectors import Vectors

import hotplate
from hotplate import AsyncClient, Client, HotplateError, NearOptions, PreloadItem, Selector

#: Requests that are carried out at once with the threaded client.
_THREADS: Final = 512
_SETTINGS: Final = frozenset(
    (
        "namespace",
        "token",
        "allow_insecure_token",
        "timeout_ms",
        "profile",
        "on_error",
        "disabled",
        "journal_max",
        "computations_max",
        "client_id",
        "pipelining",
        "connections_max",
        "near",
    )
)


class Driver(Vectors):
    """All clients, watches and computations of one run."""

    def __init__(self, *, threaded: bool) -> None:
        self.threaded = threaded
        self.clients: dict[str, Any] = {}
        self.watches: dict[str, Watched] = {}
        self.refused: dict[str, HotplateError] = {}
        self.gates = Gates()
        self.requests: dict[int, asyncio.Task[None]] = {}

    async def call(self, function: Any, *args: Any, **options: Any) -> Any:
        """Calls the client: awaited, or in a thread."""
        if self.threaded:
            return await asyncio.to_thread(function, *args, **options)
        return await function(*args, **options)

    def space(self, client: str, namespace: str | None = None, codec_name: str | None = None) -> Any:
        if client not in self.clients:
            raise Fault(f"no client `{client}`")
        return self.clients[client].namespace(namespace, serializer=codec(codec_name))

    # Clients.

    async def op_open(
        self,
        client: str,
        url: str | None = None,
        urls: list[str] | None = None,
        settings: dict[str, Any] | None = None,
    ) -> Any:
        if client in self.clients:
            raise Fault(f"a client `{client}` is there already")
        given = dict(settings or {})
        unknown = set(given) - _SETTINGS
        if unknown:
            raise Fault(f"settings {sorted(unknown)}")
        # There is no stream that calls share here: each goes alone, with and without.
        given.pop("pipelining", None)
        given = {name: value for name, value in given.items() if value is not None}
        if "timeout_ms" in given:
            given["timeout"] = given.pop("timeout_ms") / 1000
        if "near" in given:
            given["near_cache"] = _near(given.pop("near"))
        kind: Any = Client if self.threaded else AsyncClient
        self.clients[client] = kind(urls or url, **given)
        return {}

    async def op_close(self, client: str) -> Any:
        if client not in self.clients:
            raise Fault(f"no client `{client}`")
        # It keeps its name: what a closed client answers is judged as well.
        await self.call(self.clients[client].close)
        return {}

    async def op_state(self, client: str) -> Any:
        one = self.clients[client]
        counts = one.degradation
        return {
            "available": one.available,
            "invalidations_waiting": one.invalidations_waiting,
            "degradation": {name: getattr(counts, name) for name in type(counts).__slots__},
        }

    # Reads and writes.

    async def op_get(
        self, client: str, key: Any, namespace: str | None = None, codec: str | None = None, options: Any = None
    ) -> Any:
        space = self.space(client, namespace, codec)
        return answers.found(await self.call(space.get, key_of(key), **values.read_options(options)))

    async def op_get_many(
        self, client: str, keys: list[Any], namespace: str | None = None, codec: str | None = None
    ) -> Any:
        texts = [str(key_of(key)) for key in keys]
        found = await self.call(self.space(client, namespace, codec).get_many, texts)
        return {"results": [_item(found[text], answers.found) for text in texts]}

    async def op_put(
        self,
        client: str,
        key: Any,
        value: Any,
        namespace: str | None = None,
        codec: str | None = None,
        options: Any = None,
    ) -> Any:
        space = self.space(client, namespace, codec)
        done = await self.call(space.put, key_of(key), value_of(value), **values.write_options(options))
        return answers.written(done)

    async def op_put_negative(
        self, client: str, key: Any, reason: str, message: str = "", ttl: Any = None, namespace: str | None = None
    ) -> Any:
        options = {} if ttl is None else {"ttl": ttl}
        space = self.space(client, namespace)
        return answers.written(await self.call(space.put_negative, key_of(key), reason, message, **options))

    async def op_put_many(
        self,
        client: str,
        items: list[dict[str, Any]],
        namespace: str | None = None,
        codec: str | None = None,
        options: Any = None,
    ) -> Any:
        pairs = [(str(key_of(item["key"])), value_of(item["value"])) for item in items]
        space = self.space(client, namespace, codec)
        done = await self.call(space.put_many, pairs, **values.write_options(options))
        return {"results": [_item(done[key], answers.written) for key, _ in pairs]}

    async def op_touch(self, client: str, key: Any, ttl: Any, namespace: str | None = None) -> Any:
        return {"touched": await self.call(self.space(client, namespace).touch, key_of(key), ttl)}

    async def op_exists(self, client: str, key: Any, namespace: str | None = None) -> Any:
        return {"exists": await self.call(self.space(client, namespace).exists, key_of(key))}

    async def op_ttl(self, client: str, key: Any, namespace: str | None = None) -> Any:
        return {"ttl_ms": answers.ms(await self.call(self.space(client, namespace).ttl, key_of(key)))}

    async def op_remove(self, client: str, key: Any, namespace: str | None = None) -> Any:
        return answers.invalidated(await self.call(self.space(client, namespace).remove, key_of(key)))

    async def op_invalidate(
        self, client: str, selectors: list[Any], reason: str = "", namespace: str | None = None
    ) -> Any:
        space = self.space(client, namespace)
        return answers.invalidated(await self.call(space.invalidate, *map(_selector, selectors), reason=reason))

    async def op_mark_stale(
        self, client: str, selectors: list[Any], spread_over_ms: int | None = None, namespace: str | None = None
    ) -> Any:
        spread = {} if spread_over_ms is None else {"spread_over": spread_over_ms / 1000}
        space = self.space(client, namespace)
        return answers.invalidated(await self.call(space.mark_stale, *map(_selector, selectors), **spread))

    # Computing.

    async def op_get_or_compute(
        self,
        client: str,
        key: Any,
        compute: dict[str, Any],
        namespace: str | None = None,
        codec: str | None = None,
        options: Any = None,
    ) -> Any:
        function = Function(self.gates, compute)
        space = self.space(client, namespace, codec)
        run = function.run_threaded if self.threaded else function.run
        value = await self.call(space.get_or_compute, key_of(key), run, **values.compute_options(options))
        return {"value": told(value), "computed": function.ran}

    async def op_computations(self, name: str) -> Any:
        started, finished = self.gates.counts.get(name, [0, 0])
        return {"started": started, "finished": finished}

    async def op_release(self, gate: str) -> Any:
        for event in self.gates.gate(gate):
            event.set()
        return {}

    async def op_cancel(self, target: int) -> Any:
        task = self.requests.get(target)
        if task is not None:
            task.cancel()
        return {}

    async def op_preload(
        self, client: str, items: list[dict[str, Any]], force: bool = False, namespace: str | None = None
    ) -> Any:
        wanted = [
            PreloadItem(key_of(one["key"]), one.get("origin") or "", one.get("parameters") or {}, one.get("ttl"))
            for one in items
        ]
        ended = await self.call(self.space(client, namespace).preload(wanted, force=force).result)
        results = [
            {
                "key": one.key,
                "state": one.state,
                "error": None if one.error is None else answers.failure(one.error),
            }
            for one in ended.results
        ]
        return {
            "job_id": ended.job_id,
            "done_count": ended.done_count,
            "total_count": ended.total_count,
            "results": results,
        }

    # Watching.

    async def op_watch_open(
        self,
        client: str,
        watch: str,
        selectors: list[Any] | None = None,
        include_present: bool = False,
        values: bool = False,
        resume: str | None = None,
        exclude_own: bool = False,
        progress_interval_ms: int | None = None,
        namespace: str | None = None,
    ) -> Any:
        try:
            opened = self.space(client, namespace).watch(
                *map(_selector, selectors or []),
                include_present=include_present,
                values=values,
                resume=base64.b64decode(resume or ""),
                exclude_own=exclude_own,
                progress_interval=None if progress_interval_ms is None else progress_interval_ms / 1000,
            )
        except HotplateError as error:
            # Whoever asks for its items is told the same.
            self.refused[watch] = error
            raise
        self.watches[watch] = Watched(self.call, opened)
        return {}

    async def op_watch_next(self, watch: str, count: int = 1, within_ms: int = 5_000, progress: bool = False) -> Any:
        if watch in self.refused:
            raise self.refused[watch]
        items, token = await self.watches[watch].take(count, within_ms / 1000, progress)
        return {"items": items, "resume_token": base64.b64encode(token).decode()}

    async def op_watch_close(self, watch: str) -> Any:
        if self.refused.pop(watch, None) is None:
            await self.watches.pop(watch).close()
        return {}

    # Looking in.

    async def op_stats(self, client: str, namespace: str | None = None) -> Any:
        stats = await self.call(self.space(client, namespace).stats)
        names = ("hits", "stale_hits", "negative_hits", "misses", "coalesced", "puts", "entry_count")
        return {name: getattr(stats, name) for name in names}

    async def op_explain(self, client: str, key: Any, namespace: str | None = None) -> Any:
        answer = await self.call(self.space(client, namespace).explain, key_of(key), 100)
        from hotplate.v1 import cache_pb2 as pb

        would = pb.GetOutcome.Name(answer.outcome).removeprefix("GET_OUTCOME_").lower()
        events = [pb.KeyEventType.Name(event.type).removeprefix("KEY_EVENT_TYPE_").lower() for event in answer.events]
        return {"would": would, "events": events[::-1], "reason": answer.cause.reason or None}

    async def op_server_info(self, client: str) -> Any:
        info = await self.call(self.clients[client].calls.get_server_info)
        return {
            "version": info.version,
            "features": list(info.features),
            "unary_value_bytes_max": info.limits.unary_value_bytes_max,
        }

    async def op_near_stats(self, client: str, namespace: str | None = None) -> Any:
        return answers.near_stats(self.space(client, namespace).near_stats())

    # Large values.

    async def op_read_stream(
        self, client: str, key: Any, options: Any = None, follow: bool = False, namespace: str | None = None
    ) -> Any:
        space = self.space(client, namespace, "raw")
        stream = await self.call(space.read_stream, key_of(key), follow=follow, **values.read_options(options))
        pieces = []
        try:
            while (piece := await self.call(stream.next)) is not None:
                pieces.append(piece)
        finally:
            stream.close()
        said = answers.found(stream.found)
        if said["outcome"] == "hit":
            said["value"] = told(b"".join(pieces))
        return {**said, "pieces": len(pieces)}

    async def op_write_stream(
        self, client: str, key: Any, pieces: list[Any], options: Any = None, namespace: str | None = None
    ) -> Any:
        space = self.space(client, namespace, "raw")
        stream = await self.call(space.write_stream, key_of(key), **values.write_options(options))
        try:
            for piece in pieces:
                await self.call(stream.send, value_of(piece))
            return answers.written(await self.call(stream.finish))
        finally:
            stream.close()


def _item(result: Any, tell: Any) -> Any:
    return {"error": answers.failure(result)} if isinstance(result, HotplateError) else tell(result)


def _selector(written: dict[str, Any]) -> Selector:
    ((kind, value),) = written.items()
    if kind == "key":
        return Selector.key(key_of(value))
    if kind == "everything":
        return Selector.everything()
    if kind not in ("prefix", "glob", "tag", "all_tags", "kind", "dependents_of"):
        raise Fault(f"a selector `{kind}`")
    made: Selector = getattr(Selector, kind)(value)
    return made


def _near(written: Any) -> NearOptions:
    given = dict(written)
    follow = given.pop("follow", "namespace")
    made: dict[str, Any] = {"follow": follow["prefixes"] if isinstance(follow, dict) else follow}
    for name, own in (("ttl_max_ms", "ttl_max"), ("progress_max_ms", "progress_max")):
        if name in given:
            made[own] = given.pop(name) / 1000
    for name in ("bytes_max", "entries_max", "keep_dependents"):
        if name in given:
            made[name] = given.pop(name)
    if given:
        raise Fault(f"settings of the near cache {sorted(given)}")
    return NearOptions(**made)


async def answered(driver: Driver, request: dict[str, Any]) -> dict[str, Any]:
    """The answer of one request."""
    arguments = {name: value for name, value in request.items() if name not in ("id", "op")}
    operation = getattr(driver, f"op_{request.get('op')}", None)
    if operation is None:
        return {"fault": f"an operation `{request.get('op')}`"}
    try:
        inspect.signature(operation).bind(**arguments)
    except TypeError as cause:
        return {"fault": f"{request['op']}: {cause}"}
    try:
        return {"ok": await operation(**arguments)}
    except Fault as fault:
        return {"fault": str(fault)}
    except (Exception, asyncio.CancelledError, answers.PanickedError) as error:
        said = answers.failure(error)
        return {"fault": f"{type(error).__name__}: {error}"} if said is None else {"error": said}


async def serve(threaded: bool) -> None:
    """Carries out requests until the input ends."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS))
    driver = Driver(threaded=threaded)

    def say(message: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(message, ensure_ascii=False, allow_nan=False) + "\n")
        sys.stdout.flush()

    async def carry_out(request: dict[str, Any]) -> None:
        said = await answered(driver, request)
        driver.requests.pop(request["id"], None)
        say({"id": request["id"], **said})

    say({"hello": {"language": "python", "version": hotplate.__version__, "protocol": 1}})
    reader = asyncio.StreamReader(limit=64 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        request = json.loads(line)
        driver.requests[request["id"]] = loop.create_task(carry_out(request))
    for watch in list(driver.watches.values()):
        watch.watch.close()
    driver.gates.end()
    for task in list(driver.requests.values()):
        task.cancel()
    await asyncio.wait_for(asyncio.gather(*(driver.call(one.close) for one in driver.clients.values())), 4)


def main() -> None:
    """Speaks until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sync", action="store_true", help="use the threaded client")
    asyncio.run(serve(parser.parse_args().sync))


if __name__ == "__main__":
    main()
