"""A server whose answers a test writes: for what a real one does only now and then, or never."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from hotplate._core.status import DETAILS_KEY
from hotplate.ttl import wire
from hotplate.v1 import blob_pb2_grpc, cache_pb2_grpc
from hotplate.v1 import cache_pb2 as pb

Answer = Callable[[Any, grpc.ServicerContext], Any]


class Scripted:
    """Answers each method by the function that a test names for it; else as an empty cache would."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.url = ""
        self._lock = threading.Lock()
        self._seen: list[tuple[str, Any]] = []

    def seen(self, method: str | None = None) -> list[Any]:
        """The requests of a method, or of all, so far."""
        with self._lock:
            return [request for name, request in self._seen if method in (None, name)]

    def answer(self, method: str, request: Any, context: grpc.ServicerContext) -> Any:
        with self._lock:
            self._seen.append((method, request))
        given = self.answers.get(method) or _USUAL.get(method)
        if given is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, method)
        return given(request, context)


_USUAL: dict[str, Answer] = {
    "Get": lambda request, context: pb.GetResponse(outcome=pb.GET_OUTCOME_MISS),
    "Put": lambda request, context: pb.PutResponse(outcome=pb.PUT_OUTCOME_STORED),
    "BatchGet": lambda request, context: pb.BatchGetResponse(
        results=[pb.BatchGetResult(response=pb.GetResponse(outcome=pb.GET_OUTCOME_MISS)) for _ in request.items]
    ),
    "BatchPut": lambda request, context: pb.BatchPutResponse(
        results=[pb.BatchPutResult(response=pb.PutResponse(outcome=pb.PUT_OUTCOME_STORED)) for _ in request.items]
    ),
    "Invalidate": lambda request, context: pb.InvalidateResponse(matched_count=len(request.selectors)),
    "ReleaseLease": lambda request, context: pb.ReleaseLeaseResponse(outcome=pb.LEASE_OUTCOME_HELD),
    "ExtendLease": lambda request, context: pb.ExtendLeaseResponse(
        outcome=pb.LEASE_OUTCOME_HELD, lease=pb.Lease(token=request.token, duration=wire(60))
    ),
    "GetServerInfo": lambda request, context: pb.GetServerInfoResponse(),
}


@contextlib.contextmanager
def scripted() -> Iterator[Scripted]:
    """Runs one on a free port."""
    made = Scripted()
    server = grpc.server(ThreadPoolExecutor(64), options=[("grpc.max_receive_message_length", 64 << 20)])

    class Service:
        """Any method of both services."""

        def __init__(self, stream: bool) -> None:
            self._stream = stream

        def __getattr__(self, method: str) -> Any:
            return lambda request, context: made.answer(method, request, context)

    add: Any = cache_pb2_grpc.add_CacheServiceServicer_to_server
    add(Service(stream=False), server)
    add = blob_pb2_grpc.add_BlobServiceServicer_to_server
    add(Service(stream=True), server)
    made.url = f"hotplate://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}/t"
    server.start()
    try:
        yield made
    finally:
        server.stop(0).wait()


def leased(token: str = "1" * 32) -> pb.GetResponse:
    """A miss with a lease."""
    lease = pb.Lease(token=token, duration=wire(60))
    return pb.GetResponse(outcome=pb.GET_OUTCOME_MISS, lease=lease)


def fails(code: grpc.StatusCode, reason: str = "", message: str = "scripted") -> Answer:
    """Ends each call with this status."""
    info = _field(1, reason.encode())
    detail = _field(1, b"type.googleapis.com/google.rpc.ErrorInfo") + _field(2, info)

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        if reason:
            context.set_trailing_metadata(((DETAILS_KEY, _field(3, detail)),))
        context.abort(code, message)

    return answer


def _field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2, len(value)]) + value
