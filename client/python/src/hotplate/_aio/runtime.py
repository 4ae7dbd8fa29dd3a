"""What waits, and what runs on its own, on event loops. The threaded twin is `hotplate._sync.runtime`."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import logging
import threading
import warnings
import weakref
from collections.abc import Awaitable, Callable, Hashable, Iterator
from typing import Any, Final, TypeAlias, TypeVar

from hotplate._core import clock
from hotplate._core import flights as core
from hotplate._core.slots import Slots
from hotplate.errors import CallCancelledError, ComputeError, ConfigurationError

T = TypeVar("T")

#: What computes a value: a coroutine function, or a plain one.
Computation: TypeAlias = Callable[[], Awaitable[T] | T]

_log = logging.getLogger("hotplate")

#: For how long what is on the wire may come to its end while the client is closed, in seconds.
LAST_WORD: Final = 0.2
#: What ends a task, a coroutine or the process, and is not a failure of what runs.
_ENDS: Final = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)


def context() -> Hashable:
    """What waiting is bound to: the running loop."""
    return id(asyncio.get_running_loop())


async def sleep(seconds: float) -> None:
    """Waits."""
    await asyncio.sleep(seconds)


def is_stream(function: Callable[..., Any]) -> bool:
    """Whether a function makes several values, one after the other."""
    return inspect.isasyncgenfunction(function)


def check_function(function: Callable[..., Any]) -> None:
    """Refuses functions that cannot wait for the cache."""
    if not inspect.iscoroutinefunction(inspect.unwrap(function)):
        raise ConfigurationError(
            f"{getattr(function, '__qualname__', 'what is decorated')} is no coroutine function: write `async def`, or"
            " use the namespace of a hotplate.Client"
        )


class Left:
    """Notices that something was left open: its owner is gone, and nobody can close it any more."""

    def __init__(self, owner: object, what: str, close: Callable[[], None]) -> None:
        self._finalizer = weakref.finalize(owner, _left, what, asyncio.get_running_loop(), close)
        self._finalizer.atexit = False

    def detach(self) -> None:
        """It was closed."""
        self._finalizer.detach()


def when_left(owner: object, what: str, close: Callable[[], None]) -> Left:
    """Has this closed when its owner is gone, with a ResourceWarning; `close` must not hold the owner."""
    return Left(owner, what, close)


def _left(what: str, loop: asyncio.AbstractEventLoop, close: Callable[[], None]) -> None:
    warnings.warn(f"{what} was left open: leave it by `async with`, or close it", ResourceWarning, stacklevel=2)
    # Not here: an owner may go at any moment, in any thread.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(close)


def interrupt(end: Callable[[], None]) -> None:
    """Ends what a task waits for, when the client is closed: nothing to do, as the task itself is cancelled."""


@contextlib.contextmanager
def when_cancelled(then: Callable[[], None] | None) -> Iterator[None]:
    """Does this, if anything, when the task is told to end within this block."""
    try:
        yield
    except asyncio.CancelledError:
        if then is not None:
            then()
        raise


async def call(compute: Computation[T], in_thread: bool) -> T:
    """Runs what computes a value; in a thread, the loop goes on meanwhile."""
    if in_thread:
        made: Awaitable[T] | T = await asyncio.to_thread(_whole, compute)
    else:
        made = compute()
    if inspect.isawaitable(made):
        value: T = await made
        return value
    return made


def _whole(compute: Callable[[], Any]) -> Any:
    try:
        return compute()
    except StopIteration as cause:
        # A future cannot hold it, and its waiter would wait for ever.
        raise RuntimeError("a computation raised StopIteration") from cause


class Event:
    """Something that happens once, or until it is cleared. May be set from any thread, and waited for on any loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_set = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    def is_set(self) -> bool:
        """Whether it has happened."""
        return self._is_set

    def clear(self) -> None:
        """It may happen again."""
        self._is_set = False

    def set(self) -> None:
        """It happens."""
        with self._lock:
            self._is_set = True
            waiting, self._waiting = self._waiting, []
        try:
            here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        for loop, future in waiting:
            if loop is here:
                _wake(future)
            else:
                # A loop that is closed has nobody left who waits.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(_wake, future)

    async def wait(self, timeout: float | None = None) -> bool:
        """Waits for it, at most this long. Whether it has happened."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._is_set:
                return True
            future = loop.create_future()
            entry = (loop, future)
            self._waiting.append(entry)
        try:
            async with asyncio.timeout(timeout):
                await future
            return True
        except TimeoutError:
            return self._is_set
        finally:
            with self._lock, contextlib.suppress(ValueError):
                self._waiting.remove(entry)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Task:
    """Something that runs on its own."""

    def __init__(self, task: asyncio.Task[None], loop: asyncio.AbstractEventLoop) -> None:
        self._task = task
        self._loop = loop

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or its loop has."""
        return self._task.done() or self._loop.is_closed()

    @property
    def was_cancelled(self) -> bool:
        """Whether it was ended before its end."""
        return self._task.cancelled()

    def cancel(self) -> None:
        """Ends it at its next wait."""
        if asyncio.get_running_loop() is self._loop:
            self._task.cancel()
        else:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._task.cancel)


class Tasks:
    """The one place of the client that starts tasks: all are known, and end when their client is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: dict[asyncio.Task[None], asyncio.AbstractEventLoop] = {}
        self._words: dict[asyncio.Task[None], asyncio.AbstractEventLoop] = {}
        # What is on the wire and should come to its end, and in which task.
        self._spared: dict[Event, asyncio.Task[Any] | None] = {}
        # That of the task begun last: only where it is another may there be tasks of loops that have ended.
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closing = False

    def spawn(
        self,
        work: Callable[..., Awaitable[None]],
        *args: Any,
        ended: Callable[[], None] | None = None,
        apart: bool = False,
        cancellable: bool = True,
    ) -> Task:
        """Runs something until it ends or the client is closed.

        `ended` is called when it is over, also when it never began. `apart` keeps what belongs to the caller, such as
        its request's variables, from what outlives it. That something is to be `cancellable` only threads have to know.
        """
        return self._start(self._tasks, work, args, ended, contextvars.Context() if apart else None)

    def last_word(self, work: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Runs something that has to be told to the server even when the client is closed now."""
        with contextlib.suppress(RuntimeError):  # The loop is gone, and with it what could be said.
            self._start(self._words, work, args)

    @contextlib.contextmanager
    def spared(self) -> Iterator[None]:
        """What is on the wire within this block may come to its end when the client is closed, within `LAST_WORD`."""
        over = Event()
        with self._lock:
            self._spared[over] = asyncio.current_task()
        try:
            yield
        finally:
            with self._lock:
                self._spared.pop(over, None)
            over.set()

    async def sleep(self, seconds: float) -> None:
        """Waits, within a task."""
        await asyncio.sleep(seconds)

    def _start(
        self,
        where: dict[asyncio.Task[None], asyncio.AbstractEventLoop],
        work: Callable[..., Awaitable[None]],
        args: tuple[Any, ...],
        ended: Callable[[], None] | None = None,
        context: contextvars.Context | None = None,
    ) -> Task:
        loop = asyncio.get_running_loop()
        task = loop.create_task(_guarded(work, args), context=context)
        with self._lock:
            if loop is not self._loop:
                self._loop = loop
                for known in (self._tasks, self._words):
                    for old in [old for old, home in known.items() if home.is_closed()]:
                        del known[old]
            where[task] = loop
        task.add_done_callback(functools.partial(self._ended, where))
        if ended is not None:
            # Not in the task itself: one that is cancelled before it begins runs nothing of its own.
            task.add_done_callback(lambda _: ended())
        if self.closing and where is self._tasks:
            task.cancel()
        return Task(task, loop)

    def _ended(self, where: dict[asyncio.Task[None], asyncio.AbstractEventLoop], task: asyncio.Task[None]) -> None:
        # By its own loop, while others may look at all of them.
        with self._lock:
            where.pop(task, None)

    def stop(self) -> None:
        """No more tasks are to begin."""
        self.closing = True

    async def close(self) -> None:
        """Ends all tasks, lets last words be said, and waits for those of this loop."""
        self.closing = True
        here = asyncio.get_running_loop()
        with self._lock:
            tasks = list(self._tasks.items())
            spared = dict(self._spared)
        talking = set(spared.values())
        for task, loop in tasks:
            if task not in talking:
                Task(task, loop).cancel()
        ends = clock.now() + LAST_WORD
        for over in spared:
            await over.wait(max(0.0, ends - clock.now()))
        for task, loop in tasks:
            if task in talking:
                Task(task, loop).cancel()
        own = [task for task, loop in tasks if loop is here and task is not asyncio.current_task()]
        await asyncio.gather(*own, return_exceptions=True)
        with self._lock:
            words = [task for task, loop in self._words.items() if loop is here]
        await asyncio.gather(*words, return_exceptions=True)


async def _guarded(work: Callable[..., Awaitable[None]], args: tuple[Any, ...]) -> None:
    try:
        await work(*args)
    except _ENDS:
        raise
    except BaseException as error:
        # Without its text: it may come from a function of the user's, and quote what it worked on.
        _log.error("a task of the cache client failed: %s", type(error).__name__)


Flight: TypeAlias = core.Flight[Event]


async def fly(
    flights: core.Flights[Event],
    slots: Slots[Event],
    tasks: Tasks,
    key: core.FlightKey,
    work: Callable[[Flight], Awaitable[T]],
    wait: float | None,
) -> T:
    """Waits for the computation of this key, starting it when there is none.

    A caller that gives up does not end it for the others; when the last one does, it is cancelled at its next wait.
    Raises `LateError` when another's does not end within `wait`.
    """
    flight, is_new, waiter = flights.enter(key)
    if core.WITHIN.get() is not None:
        slots.need(flight)
    if is_new:
        try:
            flight.runner = tasks.spawn(_run, flights, flight, work, ended=functools.partial(_land, flights, flight))
        except BaseException:
            flights.leave(flight, waiter)
            _land(flights, flight)
            raise
    try:
        if not await flight.ended.wait(None if is_new else wait):
            raise core.LateError
    finally:
        if flights.leave(flight, waiter):
            flight.runner.cancel()
    result: T = flight.outcome()
    return result


async def _run(flights: core.Flights[Event], flight: Flight, work: Callable[[Flight], Awaitable[Any]]) -> None:
    core.WITHIN.set(flights.within(flight.id))
    try:
        flight.result = await work(flight)
    except Exception as error:
        flight.fail(error)
    except _ENDS:
        # Its caller was not cancelled, which is what that exception would say to it.
        flight.fail(CallCancelledError("the computation was cancelled"))
        raise
    except BaseException as error:
        # What is no Exception comes from a panic below Python, or ends a library's own business.
        flight.fail(ComputeError(f"the computation ended by {type(error).__name__}"))
    finally:
        _land(flights, flight)


def _land(flights: core.Flights[Event], flight: Flight) -> None:
    """Who comes after an end begins anew: failures are not kept."""
    if flight.error is None and (flight.runner is None or flight.runner.was_cancelled):
        # It never began.
        flight.fail(core.closed())
    flights.land(flight)
    flight.ended.set()


async def run_alone(flights: core.Flights[Event], key: core.FlightKey, work: Callable[[], Awaitable[T]]) -> T:
    """Runs a computation that nobody joins, within a task."""
    flight = flights.alone(key)
    core.WITHIN.set(flights.within(flight.id))
    try:
        return await work()
    finally:
        flights.land(flight)


async def turn(slots: Slots[Event], tasks: Tasks, flight: Flight) -> None:
    """Waits until one more computation may run."""
    waiting = slots.begin(flight)
    if waiting is not None:
        try:
            await waiting.wait()
            if tasks.closing:
                raise core.closed()
        except BaseException:
            slots.end(flight)
            raise
