"""Goes through what the client does, against the server at $HOTPLATE_URL, and checks what it prints.

The README shows parts of it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import hotplate
from hotplate import TTL, AsyncClient, AsyncNamespace, Client, Hit, Key, Miss, Negative


async def train(model: str) -> dict[str, float]:
    """Stands for what takes long."""
    print("training", model)
    await asyncio.sleep(0.1)
    return {"accuracy": 0.91}


async def compute(ml: AsyncNamespace) -> None:
    # region compute
    key = Key("model", "metrics").id("abc-123")  # model:metrics:abc-123
    metrics = await ml.get_or_compute(key, lambda: train("abc-123"), ttl=TTL.LONG, tags=["model:abc-123"])
    print("accuracy", metrics["accuracy"])
    # endregion
    again = await asyncio.gather(*(ml.get_or_compute(key, lambda: train("abc-123")) for _ in range(100)))
    assert again == [metrics] * 100, "all others get the stored value"


async def values(ml: AsyncNamespace) -> None:
    # region values
    await ml.put("greeting", {"text": "hello"}, ttl="1h30m")
    match await ml.get("greeting"):
        case Hit(value=value, tier=tier):
            print("a hit from", tier, value)
        case Negative(reason=reason):
            print("known to be absent:", reason)
        case Miss(reason=reason):
            print("not there:", reason)
    # endregion
    assert await ml.get_value("greeting") == {"text": "hello"}
    assert await ml.get("nobody") == Miss("never_stored")


async def decorated(ml: AsyncNamespace) -> None:
    ran: list[str] = []

    # region decorators
    @ml.cached(ttl=TTL.MEDIUM, tags=["track:{track}"], ignore=("log",))
    async def guidance(track: str, car: str, *, log: Any = None) -> str:
        ran.append(track)
        return f"brake late at {track} with the {car}"

    @ml.invalidates(tags=["track:{track}"])
    async def retrain(track: str) -> None:
        print("retraining", track)

    await guidance("Monza", "M4")  # computed once, for all processes
    await guidance("Monza", "M4")  # found
    await guidance.bypass("Monza", "M4")  # computed, neither read nor stored
    await retrain("Monza")  # what was made for Monza is gone
    # endregion
    assert ran == ["Monza", "Monza"]
    await guidance("Monza", "M4")
    assert len(ran) == 3, "it was computed anew"


async def invalidation(ml: AsyncNamespace) -> None:
    # region invalidate
    dropped = await ml.invalidate(tags=["model:abc-123"], reason="a new model")
    print("dropped", dropped.matched)
    # endregion
    assert dropped.matched == 1
    assert await ml.get(Key("model", "metrics").id("abc-123")) == Miss("invalidated")


async def near(ml: AsyncNamespace) -> None:
    # The first read tells the server that this process follows what changes; from then on it is answered here.
    async with asyncio.timeout(60):
        while True:
            # region near
            found = await ml.get("greeting")
            if isinstance(found, Hit) and found.near:
                print("read from this process, without a call")
                # endregion
                break
            await asyncio.sleep(0.05)


async def watching(ml: AsyncNamespace) -> None:
    # region watch
    async with ml.watch(prefix="watched:", values=True) as watch:
        async for item in watch:
            if item.type == "created":  # from here on nothing is missed
                await ml.put("watched:1", 7)
            if item.type == "put":
                print("changed:", item.key, item.value)
                break
    # endregion
    assert watch.resume_token, "a later watch may go on after it"


async def failures(ml: AsyncNamespace) -> None:
    # region errors
    try:
        await ml.put("greeting", "hello", ttl="never")
    except hotplate.InvalidArgumentError as error:
        print(error.reason, error.field, error.message)
        # endregion
        return
    raise AssertionError("a class that the server does not know")


def threads() -> None:
    # region threads
    with Client.from_env() as client:
        ml = client.namespace()
        print(ml.get_or_compute("answer", lambda: 42, ttl="10m"))
    # endregion


async def main() -> None:
    # region open
    async with AsyncClient.from_env(near_cache="64MiB") as client:  # $HOTPLATE_URL
        ml = client.namespace()
        # endregion
        for step in (compute, values, decorated, invalidation, near, watching, failures):
            await step(ml)
    await asyncio.to_thread(threads)
    print("the walkthrough is through")


if __name__ == "__main__":
    asyncio.run(main())
