"""Clients in forked processes: a child has neither the threads nor the connections of its parent, and must not use them."""

from __future__ import annotations

import os
import weakref
from typing import Final, Protocol

__all__ = ["remember"]


class _Forkable(Protocol):
    def _forked(self) -> None: ...


_CLIENTS: Final[weakref.WeakSet[_Forkable]] = weakref.WeakSet()
# What the parent had is kept in a child and never looked at: to let go of it would close the parent's connections.
_INHERITED: Final[list[object]] = []


def remember(client: _Forkable) -> None:
    """From now on this client is made anew in each child."""
    _CLIENTS.add(client)


def _after_fork() -> None:
    for client in list(_CLIENTS):
        _INHERITED.append(getattr(client, "_state", None))
        client._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
