"""FastAPI over the cache: endpoints, what HTTP says of them, and the routes that look after a cache."""

from __future__ import annotations

import asyncio
import datetime
import inspect
import itertools
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.security import APIKeyHeader
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field, SecretStr
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse

from hotplate import AsyncNamespace, Client, errors
from hotplate.adapters.fastapi import cache_endpoint, cache_of, cache_router, get_cache, hotplate_lifespan
from hotplate.testing import local_server

Cache = Annotated[AsyncNamespace, Depends(get_cache)]


class Guidance(BaseModel):
    track: str
    laps: int


class Filter(BaseModel):
    name: str = ""


class Garage:
    """An application, and how often its endpoints ran."""

    def __init__(self, url: str) -> None:
        self.runs = itertools.count(1)
        self.app = app = FastAPI(lifespan=hotplate_lifespan(url))
        self.slow = threading.Event()

        @app.get("/tracks/{track}")
        @cache_endpoint(ttl="10m", tags=["track:{track}"], kind="guidance")
        async def guidance(track: str, laps: int = 3) -> Guidance:
            """What to drive."""
            next(self.runs)
            return Guidance(track=track, laps=laps)

        @app.get("/sync/{n}")
        @cache_endpoint(ttl="10m", shared=True, vary=["accept-language"])
        def sync(n: int, request: Request, response: Response) -> dict[str, Any]:
            next(self.runs)
            return {"n": n, "language": request.headers.get("accept-language"), "thread": threading.get_ident() > 0}

        @app.get("/own")
        @cache_endpoint(ttl="10m", key=lambda request: f"own:{request.headers['x-user']}")
        async def own(request: Request) -> str:
            next(self.runs)
            return request.headers["x-user"]

        @app.get("/aging")
        @cache_endpoint(ttl="300ms", stale_for="1h", stale_if_error=True, stale_while_revalidate=True)
        async def aging() -> int:
            return next(self.runs)

        @app.get("/failing")
        @cache_endpoint(ttl="300ms", stale_for="1h", stale_if_error=True)
        async def failing() -> str:
            if next(self.runs) > 2:
                raise HTTPException(500)
            return "old"

        @app.get("/plain")
        @cache_endpoint(ttl="10m")
        async def plain() -> Any:
            next(self.runs)
            return PlainTextResponse("as it is")

        @app.get("/fails")
        @cache_endpoint(ttl="10m")
        async def fails() -> Any:
            next(self.runs)
            raise HTTPException(404, "no such track")

        @app.get("/slow")
        @cache_endpoint(ttl="10m")
        async def slow() -> int:
            await asyncio.to_thread(self.slow.wait, 60)
            return next(self.runs)

        @app.get("/direct")
        async def direct(cache: Cache, other: Annotated[AsyncNamespace, Depends(cache_of("other"))]) -> list[str]:
            await cache.put("k", 1, ttl="1m")
            return [cache.name, other.name]

        app.include_router(cache_router(dependencies=[]))

    @property
    def ran(self) -> int:
        """Runs since this was asked last."""
        before, self.last = getattr(self, "last", 0), next(self.runs)
        return self.last - before - 1


@pytest.fixture
def garage(url: str) -> Garage:
    made = Garage(url)
    assert made.ran == 0
    return made


@pytest.fixture
def web(garage: Garage) -> Iterator[TestClient]:
    with TestClient(garage.app) as made:
        yield made


def test_the_second_request_is_a_hit(web: TestClient, garage: Garage, client: Client) -> None:
    first, second = web.get("/tracks/spa?laps=5"), web.get("/tracks/spa?laps=5")
    assert first.json() == second.json() == {"track": "spa", "laps": 5}
    assert (first.headers["x-hotplate"], second.headers["x-hotplate"]) == ("miss", "hit")
    assert first.headers["cache-status"] == "hotplate; fwd=uri-miss; stored"
    assert second.headers["cache-status"].startswith("hotplate; hit; ttl=")
    assert first.headers["etag"] == second.headers["etag"]
    assert first.headers["vary"] == second.headers["vary"] == "authorization, cookie"
    assert second.headers["cache-control"].startswith("private, max-age=")
    assert 590 <= int(second.headers["cache-control"].rpartition("=")[2]) <= 600
    assert garage.ran == 1
    (entry,) = client.namespace().entries()
    assert (entry.metadata.kind, list(entry.metadata.tags)) == ("guidance", ["track:spa"])
    assert web.get("/tracks/spa?laps=6").headers["x-hotplate"] == "miss"


def test_what_callers_have_is_not_sent_again(web: TestClient, garage: Garage) -> None:
    etag = web.get("/tracks/spa").headers["etag"]
    for given in (etag, f'"x", {etag}', "*", etag.removeprefix("W/")):
        answer = web.get("/tracks/spa", headers={"if-none-match": given})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
        assert answer.headers["x-hotplate"] == "hit"
    assert web.get("/tracks/spa", headers={"if-none-match": '"other"'}).status_code == 200
    # Also where it had to be computed.
    assert web.get("/tracks/monza", headers={"if-none-match": "*"}).status_code == 304
    assert garage.ran == 2


def test_callers_decide(web: TestClient, garage: Garage, client: Client) -> None:
    def asked(control: str, path: str = "/tracks/spa") -> tuple[int, str]:
        answer = web.get(path, headers={"cache-control": control})
        return answer.status_code, answer.headers["x-hotplate"]

    assert asked("only-if-cached") == (504, "miss")
    assert asked("no-store") == (200, "bypass")
    assert client.namespace().list() == []
    assert asked("max-age=60") == (200, "miss")
    assert asked("only-if-cached") == (200, "hit")
    assert asked("max-age=60") == (200, "hit")
    assert asked("no-cache") == (200, "refresh")
    assert asked("max-age=0") == (200, "refresh")
    assert web.get("/tracks/spa", headers={"pragma": "no-cache"}).headers["x-hotplate"] == "refresh"
    assert garage.ran == 5
    assert asked("max-stale, MAX-AGE=9") == (200, "hit")


def test_answers_for_one_caller_are_not_shared(web: TestClient, garage: Garage, client: Client) -> None:
    for headers in ({"authorization": "Bearer x"}, {"cookie": "session=1"}):
        answer = web.get("/tracks/spa", headers=headers)
        assert (answer.headers["x-hotplate"], "etag" in answer.headers) == ("bypass", False)
    assert client.namespace().list() == []
    assert web.get("/sync/1", headers={"authorization": "Bearer x"}).headers["x-hotplate"] == "miss"
    assert web.get("/sync/1").headers["cache-control"].startswith("public")
    for user in ("ann", "ben", "ann"):
        assert web.get("/own", headers={"x-user": user, "cookie": "a=b"}).json() == user
    assert garage.ran == 2 + 1 + 2


def test_headers_that_answers_differ_by(web: TestClient, garage: Garage) -> None:
    seen = [web.get("/sync/1", headers={"accept-language": language}) for language in ("en", "de", "en")]
    assert [one.json()["language"] for one in seen] == ["en", "de", "en"]
    assert [one.headers["x-hotplate"] for one in seen] == ["miss", "miss", "hit"]
    assert seen[0].headers["vary"] == "accept-language"


def test_responses_and_failures_pass(web: TestClient, garage: Garage, client: Client) -> None:
    for _ in range(2):
        answer = web.get("/plain")
        assert (answer.text, answer.headers["x-hotplate"]) == ("as it is", "uncacheable")
        assert web.get("/fails").status_code == 404
    assert garage.ran == 4
    assert client.namespace().list() == []


def test_stale_answers_say_so(web: TestClient, garage: Garage) -> None:
    for path in ("/failing", "/aging"):
        first = web.get(path)
        seen = {first.headers["x-hotplate"]}
        ends = time.monotonic() + 60
        while "stale" not in seen:
            assert time.monotonic() < ends
            answer = web.get(path)
            seen.add(answer.headers["x-hotplate"])
        assert seen <= {"miss", "hit", "stale"}
        assert (answer.json(), answer.headers["cache-control"]) == (first.json(), "private, max-age=0")
        assert answer.headers["cache-status"] == "hotplate; hit; ttl=0"


def test_one_computation_for_all_who_ask_at_once(web: TestClient, garage: Garage) -> None:
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(web.get("/slow"))) for _ in range(5)]
    for thread in threads:
        thread.start()
    garage.slow.set()
    for thread in threads:
        thread.join(60)
    assert len({one.json() for one in answers}) == 1
    results = sorted(one.headers["x-hotplate"] for one in answers)
    assert results.count("miss") == 1
    assert set(results) <= {"miss", "collapsed", "hit"}


def test_openapi_shows_the_endpoint_as_it_was(web: TestClient) -> None:
    shown = web.get("/openapi.json").json()["paths"]["/tracks/{track}"]["get"]
    assert [(one["name"], one["in"]) for one in shown["parameters"]] == [("track", "path"), ("laps", "query")]
    assert shown["description"] == "What to drive."
    assert "Guidance" in str(shown["responses"]["200"])
    assert web.get("/tracks/spa?laps=x").status_code == 422


def test_namespaces_by_dependency(web: TestClient, client: Client) -> None:
    assert web.get("/direct").json() == [client.namespace().name, "other"]
    assert client.namespace().get_value("k") == 1


def test_without_a_client_it_says_how(url: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="lifespan=hotplate_lifespan"):
        TestClient(Garage(url).app).get("/direct")
    with pytest.raises(errors.ConfigurationError, match="by the request"):
        cache_endpoint(cache="only")


def test_a_mounted_application_finds_the_client(garage: Garage) -> None:
    outer = FastAPI(lifespan=hotplate_lifespan("hotplate://127.0.0.1:1/n?timeout=200ms"))
    outer.mount("/sub", garage.app)
    with TestClient(outer) as web:
        answer = web.get("/sub/tracks/spa")
        # And a cache that is away breaks nothing.
        assert (answer.status_code, answer.headers["x-hotplate"]) == (200, "miss")
        assert answer.headers["cache-control"] == "private, max-age=0"
        assert "stored" not in answer.headers["cache-status"]
        assert web.get("/sub/api/cache/health").json()["status"] == "degraded"
        assert web.get("/sub/api/cache/stats").json()["available"] is False
        assert web.get("/sub/api/cache/info/sklearn/spa/gt3").status_code == 503
        assert web.delete("/sub/api/cache/clear").json() == {"outcome": "queued", "matched": None}


def test_an_application_goes_on_with_the_cache_turned_off(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTPLATE_DISABLE", "true")
    with TestClient(Garage(url).app) as web:
        for _ in range(2):
            answer = web.get("/tracks/spa")
            assert (answer.json()["track"], answer.headers["x-hotplate"]) == ("spa", "miss")
        assert web.get("/api/cache/stats").json()["available"] is False
        assert web.get("/api/cache/health").json()["status"] == "degraded"
        assert web.delete("/api/cache/clear").json() == {"outcome": "disabled", "matched": None}
        assert web.get("/api/cache/info/sklearn/spa/gt3").status_code == 409
        refused = web.post("/api/cache/preload", json={"track_name": "spa", "car_name": "gt3"})
        assert refused.status_code == 409
        assert "HOTPLATE_DISABLE" in refused.json()["detail"]


class TestSevenRoutes:
    @pytest.fixture(autouse=True)
    def _models(self, client: Client) -> None:
        space = client.namespace()
        for track in ("spa", "monza"):
            for car in ("gt3", "gt4"):
                space.put(f"model:sklearn:{track}:{car}", {}, ttl="1h", kind="sklearn", tags=[f"track:{track}"])
        space.put("model:sklearn:spa:gt3:tyres", [1, 2], ttl="1h", kind="sklearn", tags=["track:spa"])

    def test_stats(self, web: TestClient, client: Client) -> None:
        client.namespace().get("model:sklearn:spa:gt3")
        client.namespace().get("nothing")
        told = web.get("/api/cache/stats").json()
        assert (told["available"], told["hits"], told["misses"], told["hit_rate"], told["entries"]) == (
            True,
            1,
            1,
            0.5,
            5,
        )
        assert 0 < told["memory_used_bytes"] < told["memory_limit_bytes"]
        assert told["max_entries"] == 100_000
        assert 0 < told["utilization"] < 1

    def test_info(self, web: TestClient) -> None:
        told = web.get("/api/cache/info/sklearn/spa/gt3", params={"model_subtype": "tyres"}).json()
        assert (told["cached"], told["key"], told["kind"]) == (True, "model:sklearn:spa:gt3:tyres", "sklearn")
        assert (told["tags"], told["size_bytes"], told["access_count"]) == (["track:spa"], 5, 0)
        assert 3500 < told["fresh_for_seconds"] <= 3600
        told = web.get("/api/cache/info/sklearn/spa/gt5").json()
        assert (told["cached"], told["miss_reason"]) == (False, "never_stored")

    def test_delete_one(self, web: TestClient, client: Client) -> None:
        path = "/api/cache/invalidate/sklearn/spa/gt3"
        assert web.delete(path, params={"model_subtype": "tyres"}).json() == {"outcome": "done", "matched": 1}
        assert web.delete(path, params={"reason": "retrained"}).json()["matched"] == 1
        assert web.delete(path).json()["matched"] == 0
        assert len(client.namespace().list()) == 3
        assert "retrained" in str(client.namespace().explain("model:sklearn:spa:gt3"))

    def test_delete_by_track(self, web: TestClient, client: Client) -> None:
        assert web.delete("/api/cache/invalidate/track/spa").json()["matched"] == 3
        assert client.namespace().list() == ["model:sklearn:monza:gt3", "model:sklearn:monza:gt4"]

    def test_delete_all(self, web: TestClient, client: Client) -> None:
        assert web.delete("/api/cache/clear", params={"pattern": "model:*:gt4"}).json()["matched"] == 2
        assert web.delete("/api/cache/clear").json()["matched"] == 3
        assert client.namespace().list() == []

    def test_health(self, web: TestClient) -> None:
        told = web.get("/api/cache/health").json()
        assert (told["status"], told["available"]) == ("healthy", True)
        assert told["version"]

    def test_preload_without_an_origin(self, web: TestClient) -> None:
        answer = web.post("/api/cache/preload", json={"track_name": "spa", "car_name": "gt3"})
        assert answer.status_code in (409, 404, 422)
        assert "origin" in answer.json()["detail"]


class _Origin(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        there = "performance" not in self.path
        self.send_response(200 if there else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"1234")

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_preload_says_what_became_of_each(tmp_path: Path) -> None:
    origin = ThreadingHTTPServer(("127.0.0.1", 0), _Origin)
    thread = threading.Thread(target=origin.serve_forever)
    thread.start()
    config = tmp_path / "hotplate.toml"
    config.write_text(
        "[namespaces.ml.origins.registry]\n"
        f'url = "http://127.0.0.1:{origin.server_port}/{{key}}"\n'
        "allow_private_addresses = true\n"
    )
    try:
        with local_server("--config", str(config)) as server, TestClient(Garage(server.url("ml")).app) as web:
            session = {"track_name": "spa", "car_name": "gt3"}
            told = {one["key"]: one["state"] for one in web.post("/api/cache/preload", json=session).json()}
            assert told == {
                "model:imitation_learning:spa:gt3": "loaded",
                "model:sklearn:spa:gt3": "loaded",
                "model:performance:spa:gt3": "negative",
            }
            info = web.get("/api/cache/info/sklearn/spa/gt3").json()
            assert (info["kind"], info["tags"]) == ("sklearn", ["car:gt3", "track:spa"])
            session["model_types"] = ["sklearn"]  # type: ignore[assignment]
            assert [one["state"] for one in web.post("/api/cache/preload", json=session).json()] == ["skipped"]
    finally:
        origin.shutdown()
        thread.join(60)
        origin.server_close()


def test_routes_are_guarded_by_what_they_are_given(url: str) -> None:
    def nobody() -> None:
        raise HTTPException(403)

    app = FastAPI(lifespan=hotplate_lifespan(url))
    app.include_router(cache_router("/admin", dependencies=[Depends(nobody)]))
    with TestClient(app) as web:
        assert web.delete("/admin/clear").status_code == 403
        assert web.get("/admin/health").status_code == 403
    with pytest.raises(TypeError, match="dependencies"):
        cache_router()  # type: ignore[call-arg]


class Aliased(BaseModel):
    inner: int = Field(serialization_alias="outer")
    unset: int = 2
    secret: str = Field(default="hidden", exclude=True)


class Stored(Aliased):
    password: str = "hunter2"


def _same_with_and_without(path: str, function: Any, url: str, **route: Any) -> Any:
    """Asserts that an endpoint answers the same without the cache, when it computes, and on a hit."""
    app = FastAPI(lifespan=hotplate_lifespan(url))
    app.get(f"/plain{path}", **route)(function)
    app.get(f"/cached{path}", **route)(cache_endpoint(ttl="10m")(function))
    with TestClient(app) as web:
        plain, miss, hit = web.get(f"/plain{path}"), web.get(f"/cached{path}"), web.get(f"/cached{path}")
    assert (miss.headers["x-hotplate"], hit.headers["x-hotplate"]) == ("miss", "hit")
    for cached in (miss, hit):
        assert (cached.status_code, cached.json(), cached.headers["content-type"]) == (
            plain.status_code,
            plain.json(),
            plain.headers["content-type"],
        )
    return hit.json()


def test_a_hit_answers_what_the_endpoint_would(url: str) -> None:
    async def one() -> Aliased:
        return Stored(inner=1)

    async def many() -> list[Aliased]:
        return [Stored(inner=1), Stored(inner=2, unset=3)]

    async def numbered() -> Any:
        return {1: "a", "when": datetime.datetime(2026, 1, 1)}

    assert _same_with_and_without("/one", one, url) == {"outer": 1, "unset": 2}
    assert _same_with_and_without("/unset", one, url, response_model_exclude_unset=True) == {"outer": 1}
    assert _same_with_and_without("/names", one, url, response_model_by_alias=False) == {"inner": 1, "unset": 2}
    assert _same_with_and_without("/some", one, url, response_model_include={"unset"}) == {"unset": 2}
    assert _same_with_and_without("/many", many, url, status_code=202)[1] == {"outer": 2, "unset": 3}
    assert _same_with_and_without("/numbered", numbered, url)["1"] == "a"
    assert _same_with_and_without("/given", lambda: {"inner": 1, "other": 2}, url, response_model=dict[str, int])


def test_what_its_model_leaves_out_is_not_stored(url: str, client: Client) -> None:
    async def one() -> Aliased:
        return Stored(inner=1)

    _same_with_and_without("/one", one, url)
    (key,) = client.namespace().list()
    assert client.namespace().get_value(key) == {"outer": 1, "unset": 2}


def test_headers_of_dependencies_come_with_a_hit(url: str) -> None:
    app = FastAPI(lifespan=hotplate_lifespan(url))

    def mark(response: Response) -> None:
        response.headers["x-mark"] = "set"

    @app.get("/marked", dependencies=[Depends(mark)])
    @cache_endpoint(ttl="10m")
    async def marked() -> int:
        return 1

    with TestClient(app) as web:
        for result in ("miss", "hit"):
            answer = web.get("/marked")
            assert (answer.headers["x-hotplate"], answer.headers["x-mark"], answer.json()) == (result, "set", 1)


scheme = APIKeyHeader(name="X-API-Key", auto_error=False)


async def user(key: Annotated[str | None, Depends(scheme)]) -> str:
    return f"user of {key}"


async def tenant(x_tenant: Annotated[str, Header()] = "none") -> str:
    return x_tenant


def page(limit: int = 10) -> int:
    return limit


def address(request: Request) -> str:
    return "" if request.client is None else request.client.host


class Caller:
    def __init__(self, request: Request) -> None:
        self.request = request


class Asks:
    def __call__(self, connection: HTTPConnection) -> str:
        return connection.url.path


def test_callers_who_are_known_by_a_key_of_their_own_are_not_shown_anothers_answer(url: str) -> None:
    app = FastAPI(lifespan=hotplate_lifespan(url))

    @app.get("/me")
    @cache_endpoint(ttl="1h")
    async def me(name: Annotated[str, Depends(user)]) -> str:
        return name

    @app.get("/tenant")
    @cache_endpoint(ttl="1h", vary=["accept-language"])
    async def of_tenant(name: Annotated[str, Depends(tenant)], limit: Annotated[int, Depends(page)]) -> str:
        return f"{name} {limit}"

    @app.get("/kept")
    @cache_endpoint(ttl="1h", vary=["x-api-key"])
    async def kept(name: Annotated[str, Depends(user)]) -> str:
        return name

    @app.get("/language")
    @cache_endpoint(ttl="1h", vary=["x-language"])
    async def language(x_language: Annotated[str, Header()] = "en") -> str:
        return x_language

    @app.get("/host")
    @cache_endpoint(ttl="1h", ignore=["request"])
    async def host(request: Request) -> str:
        return str(request.url.hostname)

    def told(web: TestClient, path: str, **headers: str) -> tuple[Any, str]:
        answer = web.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        return answer.json(), answer.headers["x-hotplate"]

    with TestClient(app) as web:
        for _ in range(2):
            for key in ("ka", "kb"):
                assert told(web, "/me", x_api_key=key) == (f"user of {key}", "bypass")
                assert told(web, "/tenant", x_tenant=key) == (f"{key} 10", "bypass")
        assert [told(web, "/kept", x_api_key=key) for key in ("ka", "kb", "ka")] == [
            ("user of ka", "miss"),
            ("user of kb", "miss"),
            ("user of ka", "hit"),
        ]
        assert [told(web, "/language", x_language=one)[0] for one in ("de", "fr", "de")] == ["de", "fr", "de"]
        assert [told(web, "/tenant"), told(web, "/tenant?limit=3")] == [("none 10", "miss"), ("none 3", "miss")]
        assert "x-api-key" in web.get("/me").headers["vary"]
        for name in ("a.example", "b.example"):
            assert told(web, "/host", host=name) == (name, "miss")
            assert told(web, "/host", host=name) == (name, "hit")


def test_endpoints_that_may_answer_by_anything_are_refused(url: str) -> None:
    async def reads(request: Request) -> str:
        return ""

    async def body(given: Guidance) -> str:
        return ""

    async def over(caller: Annotated[str, Depends(address)]) -> str:
        return ""

    async def made(caller: Annotated[Caller, Depends()]) -> str:
        return ""

    async def asks(caller: str = Depends(Asks())) -> str:
        return ""

    for function in (reads, body, over, made, asks):
        with pytest.raises(errors.ConfigurationError, match="may differ by"):
            cache_endpoint(ttl="1h")(function)
        for said in (
            {"shared": True},
            {"vary": ["x"]},
            {"key": str},
            {"ignore": list(inspect.signature(function).parameters)},
        ):
            cache_endpoint(**said)(function)

    async def plain(track: str, cache: Cache, page: Annotated[int, Query()] = 1) -> str:
        return track

    cache_endpoint(tags=["t:{track}"])(plain)
    for wrong in ({"tags": ["t:{trak}"]}, {"depends_on": ["{"]}, {"ignore": ["trak"]}):
        with pytest.raises(errors.ConfigurationError):
            cache_endpoint(**wrong)(plain)  # type: ignore[arg-type]


class Credentials(BaseModel):
    token: SecretStr


class Settings(BaseModel):
    since: datetime.datetime
    limits: dict[int, float] = {}


class OtherSettings(Settings):
    pass


def test_models_as_arguments_are_told_apart_and_secrets_are_refused(client: Client) -> None:
    @client.namespace().cached(ttl="1h")
    def account(given: BaseModel) -> str:
        return type(given).__name__

    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    keys = {
        str(account.key(one))
        for one in (
            Settings(since=now),
            Settings(since=now, limits={1: 2}),
            Settings(since=now + datetime.timedelta(1)),
            OtherSettings(since=now),
        )
    }
    assert len(keys) == 4
    assert account.key(Settings(since=now)) == account.key(Settings(since=now))
    with pytest.raises(errors.InvalidArgumentError, match="SecretStr") as caught:
        account(Credentials(token=SecretStr("hunter2")))
    assert "hunter2" not in str(caught.value)


def test_answers_differ_by_the_order_of_values_by_texts_that_only_look_the_same_and_by_bodies(url: str) -> None:
    app = FastAPI(lifespan=hotplate_lifespan(url))
    runs = itertools.count(1)

    @app.get("/ids")
    @cache_endpoint(ttl="1h")
    async def ids(ids: Annotated[list[int], Query()]) -> list[int]:
        return ids

    @app.get("/text/{part}")
    @cache_endpoint(ttl="1h")
    async def text(part: str, s: str = "") -> list[int]:
        return [len(part), len(s)]

    @app.get("/body")
    @cache_endpoint(ttl="1h")
    async def body(f: Filter | None = None) -> int:
        return next(runs)

    @app.get("/list")
    @cache_endpoint(ttl="1h")
    async def in_list(f: list[int]) -> list[int]:
        return f

    with TestClient(app) as web:
        assert web.get("/ids?ids=1&ids=2").json() == [1, 2]
        assert web.get("/ids?ids=2&ids=1").json() == [2, 1]
        assert web.get("/text/x?s=e%CC%81").json() == [1, 2]
        assert web.get("/text/x?s=%C3%A9").json() == [1, 1]
        assert web.get("/text/e%CC%81").json() == [2, 0]
        assert web.get("/text/%C3%A9").json() == [1, 0]
        assert web.request("GET", "/body", json={"name": "a"}).json() == 1
        assert web.request("GET", "/body", json={"name": "b"}).json() == 2
        assert web.request("GET", "/list", json=[1]).json() == [1]
        assert web.request("GET", "/list", json=[2]).headers["x-hotplate"] == "bypass"


def test_a_response_of_its_own_is_no_failure(url: str) -> None:
    app = FastAPI(lifespan=hotplate_lifespan(url))
    runs = itertools.count(1)

    @app.get("/gone")
    @cache_endpoint(ttl="200ms", stale_for="1h", stale_if_error=True, remember_failure="1h")
    async def gone() -> Any:
        return "there" if next(runs) == 1 else PlainTextResponse("gone", 410)

    with TestClient(app) as web:
        assert web.get("/gone").json() == "there"
        ends = time.monotonic() + 60
        while (found := web.get("/gone")).status_code != 410 and time.monotonic() < ends:
            time.sleep(0.02)
        assert found.text == "gone"
        assert web.get("/gone").status_code == 410
