"""The RPCs as they are: messages in and out, with token, deadline and retries. No degradation, no serializers."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final

from hotplate._aio import runtime
from hotplate._aio.transport import Stream, Transport
from hotplate._core import clock, retry, status
from hotplate._core.setup import Setup
from hotplate.errors import HotplateError
from hotplate.v1 import cache_pb2 as pb

#: Items of a batch, where the server was not asked.
_BATCH_ITEMS: Final = 100


class AsyncCalls:
    """The RPCs of `hotplate.v1.CacheService`, one method each: `client.calls`.

    Every call carries the token, ends within its deadline and is tried again, at most twice, when the server was
    unavailable and repeating it is safe. Failures are `hotplate.HotplateError`; a miss is part of an answer. The
    breaker does not apply here; while the cache is turned off, every call is a `FailedPreconditionError`.
    """

    def __init__(self, setup: Setup, transport: Transport) -> None:
        """Made by the client."""
        self.transport = transport
        self.profile = setup.profile
        self.attempts: int = retry.ATTEMPTS_MAX
        self._budget = retry.Budget()
        self._limits: pb.ServerLimits | None = None
        self._repeats = 0

    async def get(
        self, request: pb.GetRequest, timeout: float | None = None, wanted: Callable[[], bool] | None = None
    ) -> pb.GetResponse:
        """Finds one entry. When `wanted` says no, it is not tried again."""
        timeout = timeout or self.profile.call_timeout
        answer: pb.GetResponse = await self._call("Get", request, timeout, wanted=wanted)
        return answer

    async def batch_get(self, request: pb.BatchGetRequest) -> pb.BatchGetResponse:
        """Finds several entries; failures of single items are in the answer."""
        answer: pb.BatchGetResponse = await self._bulk("BatchGet", request)
        return answer

    async def put(self, request: pb.PutRequest) -> pb.PutResponse:
        """Stores one entry. One with a condition or a lease gets a `request_id`, so that it may be repeated."""
        _identify_put(request)
        answer: pb.PutResponse = await self._small("Put", request)
        return answer

    async def batch_put(self, request: pb.BatchPutRequest) -> pb.BatchPutResponse:
        """Stores several entries; failures of single items are in the answer."""
        for item in request.items:
            _identify_put(item)
        answer: pb.BatchPutResponse = await self._bulk("BatchPut", request)
        return answer

    async def touch(self, request: pb.TouchRequest) -> pb.TouchResponse:
        """Changes how long an entry lives. Never retried: a lifetime counts from the moment of the call."""
        answer: pb.TouchResponse = await self._call("Touch", request, self.profile.call_timeout, safe=False)
        return answer

    async def invalidate(self, request: pb.InvalidateRequest, timeout: float | None = None) -> pb.InvalidateResponse:
        """Drops entries. Without `request_id` it gets one, so that a retry reports what the first try dropped."""
        request.request_id = request.request_id or _fresh_id()
        timeout = timeout or self.profile.bulk_timeout
        answer: pb.InvalidateResponse = await self._call("Invalidate", request, timeout)
        return answer

    async def stats(self, request: pb.StatsRequest) -> pb.StatsResponse:
        """Counts what happened and what is held."""
        answer: pb.StatsResponse = await self._bulk("Stats", request)
        return answer

    async def list_entries(self, request: pb.ListEntriesRequest) -> pb.ListEntriesResponse:
        """Lists metadata of entries, a page at a time."""
        answer: pb.ListEntriesResponse = await self._bulk("ListEntries", request)
        return answer

    async def update_watch(self, request: pb.UpdateWatchRequest) -> pb.UpdateWatchResponse:
        """Changes which single keys an open watch follows."""
        answer: pb.UpdateWatchResponse = await self._small("UpdateWatch", request)
        return answer

    async def revalidate(self, request: pb.RevalidateRequest) -> pb.RevalidateResponse:
        """Tells which copies are still what is stored; failures of single items are in the answer."""
        answer: pb.RevalidateResponse = await self._bulk("Revalidate", request)
        return answer

    async def explain_key(self, request: pb.ExplainKeyRequest) -> pb.ExplainKeyResponse:
        """Explains a key: what a Get would say and why, and what happened to it."""
        answer: pb.ExplainKeyResponse = await self._bulk("ExplainKey", request)
        return answer

    async def extend_lease(self, request: pb.ExtendLeaseRequest) -> pb.ExtendLeaseResponse:
        """Keeps a lease for one more duration; one that is not held any more is an outcome."""
        answer: pb.ExtendLeaseResponse = await self._small("ExtendLease", request)
        return answer

    async def release_lease(self, request: pb.ReleaseLeaseRequest) -> pb.ReleaseLeaseResponse:
        """Gives a lease back without a value; one that is not held any more is an outcome."""
        answer: pb.ReleaseLeaseResponse = await self._small("ReleaseLease", request)
        return answer

    async def get_server_info(self) -> pb.GetServerInfoResponse:
        """Tells version, limits and features."""
        answer: pb.GetServerInfoResponse = await self._small("GetServerInfo", pb.GetServerInfoRequest())
        return answer

    async def limits(self) -> pb.ServerLimits:
        """What the server allows: asked once, and known from then on."""
        if self._limits is None:
            self._limits = (await self.get_server_info()).limits
        return self._limits

    @property
    def known_limits(self) -> pb.ServerLimits | None:
        """The same, where it was asked for."""
        return self._limits

    @property
    def batch_items(self) -> int:
        """Items that the server is known, or else taken, to accept with one call."""
        known = self._limits.batch_items_max if self._limits is not None else 0
        return known or _BATCH_ITEMS

    async def takes_fewer(self, items: int, error: HotplateError) -> bool:
        """After an error: whether fewer items of a batch may be what the server takes, as it says by now."""
        if error.reason != "BATCH_TOO_LARGE":
            return False
        try:
            await self.limits()
        except HotplateError:
            return False
        return self.batch_items < items

    async def watch(self, request: pb.WatchRequest) -> Stream[pb.WatchResponse]:
        """Follows changes. The deadline is for opening the stream; the stream itself has none."""
        turn = self.transport.turn()
        return await self.transport.stream("Watch", request, turn, self.profile.call_timeout)

    async def preload(self, request: pb.PreloadRequest) -> Stream[pb.PreloadResponse]:
        """Fetches entries ahead of their use, or joins such a job. The deadline is for opening the stream."""
        turn = self.transport.turn()
        return await self.transport.stream("Preload", request, turn, self.profile.bulk_timeout)

    @property
    def repeats(self) -> int:
        """How many calls were sent again so far. What was sent twice may also happen twice, and later."""
        return self._repeats

    async def _small(self, method: str, request: Any) -> Any:
        return await self._call(method, request, self.profile.call_timeout)

    async def _bulk(self, method: str, request: Any) -> Any:
        return await self._call(method, request, self.profile.bulk_timeout)

    async def _call(
        self,
        method: str,
        request: Any,
        timeout: float,
        *,
        safe: bool = True,
        wanted: Callable[[], bool] | None = None,
    ) -> Any:
        """Tries until it works, may not be repeated, or the time is over."""
        ends = clock.now() + timeout
        turn = self.transport.turn()
        attempt = 1
        while True:
            left = ends - clock.now()
            if left <= 0:
                raise status.timed_out(timeout)
            try:
                answer = await self.transport.unary(method, request, left, turn)
            except HotplateError as error:
                attempt, turn = attempt + 1, turn + 1
                await self._wait_to_retry(attempt, ends, error, safe)
                if wanted is not None and not wanted():
                    raise
            else:
                self._budget.succeeded()
                return answer

    async def _wait_to_retry(self, attempt: int, ends: float, error: HotplateError, safe: bool) -> None:
        """Waits before the next try, or raises the error where there is none.

        A wait that would not end before the deadline is not begun: the true cause says more than a timeout.
        """
        if retry.is_unsent(error):
            raise error
        if error.kind != "UNAVAILABLE" or retry.is_answer(error):
            self._budget.succeeded()
            raise error
        allowed = self._budget.failed()
        wait = retry.wait_before(attempt, self.attempts, safe, error)
        if wait is None or not allowed or clock.now() + wait >= ends:
            raise error
        await runtime.sleep(wait)
        self._repeats += 1


def _identify_put(request: pb.PutRequest) -> None:
    # A condition, or a lease, is judged against what the first try may already have changed.
    if (request.HasField("precondition") or request.lease_token) and not request.request_id:
        request.request_id = _fresh_id()


def _fresh_id() -> str:
    return secrets.token_hex(16)
