"""One client for each address in this process, for libraries that are given settings, not objects. Closed at exit."""

from __future__ import annotations

import atexit
import os
import threading
from typing import Final

from hotplate._sync.client import Client

_LOCK: Final = threading.Lock()
_CLIENTS: Final[dict[str | None, Client]] = {}

if hasattr(os, "register_at_fork"):
    # A child would wait for ever for a lock that another thread of its parent held.
    os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release)


def client(url: str | None) -> Client:
    """The client for an address, made when it is first asked for; None: the one that the environment describes."""
    with _LOCK:
        made = _CLIENTS.get(url)
        if made is None:
            made = Client.from_env() if url is None else Client.from_env(url=url)
            _CLIENTS[url] = made
        return made


@atexit.register
def _close() -> None:
    with _LOCK:
        clients = list(_CLIENTS.values())
        _CLIENTS.clear()
    for made in clients:
        made.close()
