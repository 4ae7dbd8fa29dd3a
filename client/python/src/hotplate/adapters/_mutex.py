"""A lock that all processes share, made of a lease: for libraries that compute and store for themselves."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from hotplate._sync.namespace import Namespace
from hotplate.errors import HotplateError
from hotplate.ttl import of_wire, wire
from hotplate.v1 import cache_pb2 as pb

_log = logging.getLogger("hotplate")


class LeaseMutex:
    """Held by one thread of all processes. It is extended while it is held, and lapses when its process dies.

    A cache that is away locks nobody out: then it holds among the threads of this process only.
    """

    def __init__(self, space: Namespace, key: str, local: threading.Lock) -> None:
        """`key` is of its own, and never has a value. `local` is the same for all mutexes of this process and key."""
        self._space = space
        self._key = key
        self._local = local
        self._lease: _Held | None = None

    def acquire(self, wait: bool = True) -> bool:
        """Takes it; False when another has it and `wait` is False."""
        if not self._local.acquire(wait):
            return False
        taken = False
        try:
            taken = self._take(wait)
        finally:
            if not taken:
                self._local.release()
        return taken

    def release(self) -> None:
        """Gives it to the next who waits."""
        held, self._lease = self._lease, None
        try:
            if held is not None:
                held.end()
        finally:
            self._local.release()

    def locked(self) -> bool:
        """Whether anybody has it."""
        if self._local.locked():
            return True
        # The server tells by giving it away.
        free = self.acquire(wait=False)
        if free:
            self.release()
        return not free

    def _take(self, wait: bool) -> bool:
        client = self._space.client
        step = client.calls.profile.call_timeout
        request = pb.GetRequest(
            namespace=self._space.name,
            key=self._key,
            miss_policy=pb.MISS_POLICY_LEASE_OR_WAIT if wait else pb.MISS_POLICY_LEASE,
        )
        if wait:
            request.wait_timeout.CopyFrom(wire(step))
        while client.available:
            try:
                answer = client.calls.get(request, step * 2)
            except HotplateError as error:
                if not error.is_outage:
                    raise
                _log.warning("a lock holds in this process only: %s", error)
                return True
            if answer.HasField("lease"):
                self._lease = _Held(self._space, self._key, answer.lease)
                return True
            if answer.outcome != pb.GET_OUTCOME_PENDING:
                raise HotplateError("there is a value where a lock should be: give locks a prefix of their own")
            if not wait:
                return False
            time.sleep(of_wire(answer.pending.retry_after))
        return True


class _Held:
    """A lease, and the thread that extends it."""

    def __init__(self, space: Namespace, key: str, lease: pb.Lease) -> None:
        self._calls = space.client.calls
        self._place: dict[str, Any] = {"namespace": space.name, "key": key, "token": lease.token}
        self._over = threading.Event()
        self._keeper = threading.Thread(
            target=self._keep, args=(of_wire(lease.duration),), name="hotplate-lock", daemon=True
        )
        self._keeper.start()

    def end(self) -> None:
        """Gives it back before it returns."""
        self._over.set()
        try:
            self._calls.release_lease(pb.ReleaseLeaseRequest(**self._place))
        except HotplateError as error:
            _log.warning("a lock could not be given back: it lapses: %s", error)
        self._keeper.join()

    def _keep(self, duration: float) -> None:
        while not self._over.wait(max(duration / 3, 0.01)):
            try:
                answer = self._calls.extend_lease(pb.ExtendLeaseRequest(**self._place))
            except HotplateError as error:
                if error.is_outage:
                    continue
                _log.warning("a lock cannot be kept: %s", error)
                return
            if answer.outcome != pb.LEASE_OUTCOME_HELD:
                _log.warning("a lock was lost: its process was stopped for too long")
                return
            duration = of_wire(answer.lease.duration) or duration
