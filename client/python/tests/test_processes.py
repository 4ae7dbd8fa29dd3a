"""One client in several processes and loops."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading

from conftest import wait_until

from hotplate import AsyncClient, Client


def test_a_client_goes_on_in_a_forked_process(url: str) -> None:
    # In a process of its own: what else this one runs must not be forked.
    program = f"""
import os, threading
from hotplate import Client
client = Client({url!r}, near_cache="1MiB")
space = client.namespace()
space.put("k", 1)
assert space.get_value("k") == 1
done = threading.Event()

def busy():
    while not done.is_set():
        space.without_near_cache().get("k")

# A fork amid calls of other threads is the hard one.
threads = [threading.Thread(target=busy) for _ in range(3)]
for thread in threads:
    thread.start()
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        code = 3
        try:
            assert space.get_value("k") == 1
            space.put(f"child{{number}}", number)
            client.close()
            code = 0
        finally:
            os._exit(code)
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
done.set()
for thread in threads:
    thread.join()
assert [space.get_value(f"child{{number}}") for number in range(3)] == [0, 1, 2]
client.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=_environment(), capture_output=True, timeout=120, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_one_asyncio_client_serves_loops_in_several_threads(url: str) -> None:
    client = AsyncClient(url)
    failures: list[BaseException] = []

    async def use(number: int) -> None:
        space = client.namespace()
        for _ in range(20):
            assert await space.get_or_compute(f"k{number % 2}", _one, ttl=60) == 1

    def thread(number: int) -> None:
        try:
            asyncio.run(use(number))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=thread, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not failures
    asyncio.run(client.close())


def test_closing_a_client_ends_its_threads(url: str) -> None:
    before = threading.active_count()
    client = Client(url, near_cache="1MiB")
    client.namespace().get("k")
    watch = client.namespace().watch()
    watch.next(30)
    client.close()
    wait_until(lambda: threading.active_count() <= before)


async def _one() -> int:
    return 1


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
