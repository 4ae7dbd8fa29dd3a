"""What waits, and what runs on its own, on threads. The twin for event loops is `hotplate._aio.runtime`."""

from __future__ import annotations

import contextlib
import contextvars
import inspect
import logging
import os
import queue
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Final, TypeAlias, TypeVar

from hotplate._core import flights as core
from hotplate._core.slots import Slots
from hotplate.errors import CallCancelledError, ConfigurationError

T = TypeVar("T")

#: What computes a value.
Computation: TypeAlias = Callable[[], T]

_log = logging.getLogger("hotplate")

#: For how long what is on the wire may come to its end while the client is closed, in seconds.
LAST_WORD: Final = 0.2
#: For how long closing waits for its threads, in seconds: each ends with the call that it makes.
_JOIN_WAIT: Final = 10.0


class ClosedError(Exception):
    """Ends a task of a client that is closed."""


def context() -> Hashable:
    """What waiting is bound to: nothing, for threads."""
    return None


def sleep(seconds: float) -> None:
    """Waits."""
    time.sleep(seconds)


def is_stream(function: Callable[..., Any]) -> bool:
    """Whether a function makes several values, one after the other."""
    return inspect.isgeneratorfunction(function)


def check_function(function: Callable[..., Any]) -> None:
    """Refuses functions that this namespace cannot run."""
    original = inspect.unwrap(function)
    if inspect.iscoroutinefunction(original) or inspect.isasyncgenfunction(original):
        raise ConfigurationError(
            f"{getattr(function, '__qualname__', 'what is decorated')} is a coroutine function: use the namespace of a"
            " hotplate.AsyncClient"
        )
    if inspect.isgeneratorfunction(original):
        raise ConfigurationError(
            f"{getattr(function, '__qualname__', 'what is decorated')} is a generator function: when it is called it"
            " has not run yet. Decorate a function that runs it to its end"
        )


class Left:
    """Notices that something was left open: its owner is gone, and nobody can close it any more."""

    def __init__(self, owner: object, what: str, close: Callable[[], None]) -> None:
        self._finalizer = weakref.finalize(owner, _left, what, os.getpid(), close)
        self._finalizer.atexit = False

    def detach(self) -> None:
        """It was closed."""
        self._finalizer.detach()


# What is to be closed by who uses a client next.
_LEFT: Final[queue.SimpleQueue[tuple[int, Callable[[], None]]]] = queue.SimpleQueue()


def when_left(owner: object, what: str, close: Callable[[], None]) -> Left:
    """Has this closed when its owner is gone, with a ResourceWarning; `close` must not hold the owner."""
    return Left(owner, what, close)


def _left(what: str, process: int, close: Callable[[], None]) -> None:
    warnings.warn(f"{what} was left open: leave it by `with`, or close it", ResourceWarning, stacklevel=2)
    # Not here: an owner may go at any moment, also amid what holds the locks that closing takes.
    _LEFT.put((process, close))


def tidy() -> None:
    """Closes what was left open."""
    while not _LEFT.empty():
        try:
            process, close = _LEFT.get_nowait()
        except queue.Empty:
            return
        # What a parent left open is its own, also where a child notices.
        if process == os.getpid():
            close()


def interrupt(end: Callable[[], None]) -> None:
    """Ends what a task waits for, when the client is closed."""
    end()


def when_cancelled(then: Callable[[], None] | None) -> contextlib.AbstractContextManager[None]:
    """Nothing to do: a thread is not told to end."""
    return contextlib.nullcontext()


def call(compute: Computation[T], in_thread: bool) -> T:
    """Runs what computes a value, in this thread."""
    return compute()


class Event(threading.Event):
    """Something that happens once, or until it is cleared."""


class Calling:
    """What a task has on the wire, so that it can be ended from without."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end: Callable[[], object] | None = None
        self._cancelled = False

    @contextlib.contextmanager
    def within(self, end: Callable[[], object]) -> Iterator[None]:
        """A call is under way, which `end` ends."""
        with self._lock:
            self._end = end
            cancelled = self._cancelled
        try:
            if cancelled:
                end()
            yield
        finally:
            with self._lock:
                self._end = None

    def check(self) -> None:
        """Raises when nothing is to be sent any more."""
        if self._cancelled:
            raise core.given_up()

    def cancel(self) -> None:
        """Ends what is under way, and what would come after it."""
        with self._lock:
            self._cancelled = True
            end = self._end
        if end is not None:
            end()


#: What a task has on the wire that this is called from, where it may be ended.
CALLING: Final[contextvars.ContextVar[Calling | None]] = contextvars.ContextVar("hotplate_calling", default=None)


class Task:
    """Something that runs on its own."""

    def __init__(self, thread: threading.Thread, calling: Calling | None) -> None:
        self._thread = thread
        self._calling = calling

    def cancel(self) -> None:
        """Ends its call, and makes each that it would begin an error, where it was begun as `cancellable`."""
        if self._calling is not None:
            self._calling.cancel()

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return not self._thread.is_alive()


class Tasks:
    """The one place of the client that starts threads: all are known, and end when their client is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        # What is on the wire and should come to its end.
        self._spared: set[Event] = set()
        self._closed = threading.Event()

    @property
    def closing(self) -> bool:
        """Whether all tasks were told to end."""
        return self._closed.is_set()

    def spawn(
        self,
        work: Callable[..., None],
        *args: Any,
        ended: Callable[[], None] | None = None,
        apart: bool = False,
        cancellable: bool = False,
    ) -> Task:
        """Runs something until it ends or the client is closed.

        `ended` is called when it is over. `apart` keeps what belongs to the caller, such as its request's variables,
        from what outlives it. Only what is `cancellable` can be ended by its `Task`. Raises RuntimeError when no thread
        can be started.
        """
        context = contextvars.Context() if apart else contextvars.copy_context()
        return self._start(work, args, ended, context, cancellable=cancellable)

    def last_word(self, work: Callable[..., None], *args: Any) -> None:
        """Runs something that has to be told to the server even when the client is closed now."""
        try:
            self._start(work, args, None, contextvars.copy_context())
        except RuntimeError:
            # No thread can be started: there are too many, or the interpreter is ending. Then it is said here.
            self._guarded(work, args, None)

    def sleep(self, seconds: float) -> None:
        """Waits, within a task. Raises `ClosedError` when the client is closed."""
        if self._closed.wait(seconds):
            raise ClosedError

    @contextlib.contextmanager
    def spared(self) -> Iterator[None]:
        """What is on the wire within this block may come to its end when the client is closed, within `LAST_WORD`."""
        over = Event()
        with self._lock:
            self._spared.add(over)
        try:
            yield
        finally:
            with self._lock:
                self._spared.discard(over)
            over.set()

    def _start(
        self,
        work: Callable[..., None],
        args: tuple[Any, ...],
        ended: Callable[[], None] | None,
        context: contextvars.Context,
        *,
        cancellable: bool = False,
    ) -> Task:
        calling = Calling() if cancellable else None
        context.run(CALLING.set, calling)
        thread = threading.Thread(
            target=context.run, args=(self._guarded, work, args, ended), name="hotplate", daemon=True
        )
        # One that has not begun cannot be waited for.
        with self._lock:
            thread.start()
            self._threads.add(thread)
        return Task(thread, calling)

    def _guarded(self, work: Callable[..., None], args: tuple[Any, ...], ended: Callable[[], None] | None) -> None:
        try:
            work(*args)
        except ClosedError:
            _log.debug("a task of the cache client ended with it")
        except Exception as error:
            # Without its text: it may come from a function of the user's, and quote what it worked on.
            _log.error("a task of the cache client failed: %s", type(error).__name__)
        finally:
            if ended is not None:
                ended()
            with self._lock:
                self._threads.discard(threading.current_thread())

    def stop(self) -> None:
        """Tells all tasks to end at their next wait."""
        self._closed.set()

    def close(self) -> None:
        """Tells all tasks to end, and waits for them. What computes goes on to its end, and is not waited for."""
        self._closed.set()
        ends = time.monotonic() + LAST_WORD
        with self._lock:
            spared = list(self._spared)
        for over in spared:
            over.wait(max(0.0, ends - time.monotonic()))
        ends = time.monotonic() + _JOIN_WAIT
        with self._lock:
            threads = [thread for thread in self._threads if thread is not threading.current_thread()]
        for thread in threads:
            thread.join(max(0.0, ends - time.monotonic()))


Flight: TypeAlias = core.Flight[Event]


def fly(
    flights: core.Flights[Event],
    slots: Slots[Event],
    tasks: Tasks,
    key: core.FlightKey,
    work: Callable[[Flight], T],
    wait: float | None,
) -> T:
    """Computes in this thread, or waits for the thread that does.

    Raises `LateError` when that one does not end within `wait`.
    """
    ends = None if wait is None else time.monotonic() + wait
    while True:
        flight, is_new, waiter = flights.enter(key)
        if core.WITHIN.get() is not None:
            slots.need(flight)
        try:
            if is_new:
                return _run(flights, flight, work)
            if not flight.ended.wait(None if ends is None else max(0.0, ends - time.monotonic())):
                raise core.LateError
        finally:
            flights.leave(flight, waiter)
        # The thread that computed was interrupted, which is no reason for the others to fail.
        if isinstance(flight.error, CallCancelledError) and flight.runner == "interrupted" and not tasks.closing:
            continue
        result: T = flight.outcome()
        return result


def _run(flights: core.Flights[Event], flight: Flight, work: Callable[[Flight], T]) -> T:
    token = core.WITHIN.set(flights.within(flight.id))
    try:
        result = flight.result = work(flight)
        return result
    except Exception as error:
        flight.fail(error)
        raise
    except BaseException:
        flight.runner = "interrupted"
        flight.fail(CallCancelledError("the thread that computed was interrupted"))
        raise
    finally:
        core.WITHIN.reset(token)
        # Who comes after an end begins anew: failures are not kept.
        flights.land(flight)
        flight.ended.set()


def run_alone(flights: core.Flights[Event], key: core.FlightKey, work: Callable[[], T]) -> T:
    """Runs a computation that nobody joins, within a task."""
    flight = flights.alone(key)
    token = core.WITHIN.set(flights.within(flight.id))
    try:
        return work()
    finally:
        core.WITHIN.reset(token)
        flights.land(flight)


def turn(slots: Slots[Event], tasks: Tasks, flight: Flight) -> None:
    """Waits until one more computation may run."""
    waiting = slots.begin(flight)
    if waiting is not None:
        try:
            waiting.wait()
            if tasks.closing:
                raise core.closed()
        except BaseException:
            slots.end(flight)
            raise
