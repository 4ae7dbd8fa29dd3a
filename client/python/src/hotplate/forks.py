"""Clients in forked processes: a child must not use the threads and connections of its parent."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Final, Protocol

__all__ = ["remember"]


class _Forkable(Protocol):
    def _before_fork(self) -> None: ...

    def _after_fork(self) -> None: ...

    def _forked(self) -> None: ...


_CLIENTS: Final[weakref.WeakSet[_Forkable]] = weakref.WeakSet()
# What the parent had is kept in a child and never looked at: to let go of it would close the parent's connections.
_INHERITED: Final[list[object]] = []
# Held from before a fork until after it: two threads may fork at once, and each client is told of one at a time.
_LOCK: Final = threading.Lock()
# Those that were told of the fork under way.
_FORKING: Final[list[_Forkable]] = []


def remember(client: _Forkable) -> None:
    """From now on this client is made anew in each child."""
    _CLIENTS.add(client)


def _before_fork() -> None:
    _LOCK.acquire()
    _FORKING.extend(_CLIENTS)
    for client in _FORKING:
        client._before_fork()


def _in_parent() -> None:
    try:
        for client in _FORKING:
            client._after_fork()
    finally:
        _FORKING.clear()
        _LOCK.release()


def _in_child() -> None:
    _FORKING.clear()
    # This thread took it, and is the only one left.
    _LOCK.release()
    for client in list(_CLIENTS):
        _INHERITED.append(getattr(client, "_state", None))
        client._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
