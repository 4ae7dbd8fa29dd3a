"""A server of one's own, for the time of a test: started on a free port, stopped by its own process id."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from typing import IO, Final

from hotplate.errors import ConfigurationError

__all__ = ["LocalServer", "local_server"]

#: Lines of the server's log that are kept to be shown when it fails.
_LOG_LINES_MAX: Final = 200
#: Longest wait for the rest of what a server said that has ended, in seconds.
_LOG_WAIT: Final = 5.0


class LocalServer:
    """A running server program. Made by `local_server`."""

    def __init__(self, process: subprocess.Popen[str], grpc: str, http: str, log: deque[str]) -> None:
        """Made by `local_server`."""
        self._process = process
        self.address = grpc
        """Where it listens for gRPC, as `127.0.0.1:41233`."""
        self.http = http
        """Where its probes and metrics are."""
        self._log = log

    def url(self, namespace: str = "default") -> str:
        """The address for a client with this namespace."""
        return f"hotplate://{self.address}/{namespace}"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def log(self) -> str:
        """The last lines of its log."""
        return "\n".join(self._log)

    def pause(self) -> None:
        """Freezes it, and waits until it is: it neither answers nor closes its connections."""
        os.kill(self.pid, signal.SIGSTOP)
        # Until all its threads stand still; its end is left to be seen by who waits for it.
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def go_on(self) -> None:
        """Ends `pause`."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Ends it at once, as a crash would."""
        self._process.kill()
        self._process.wait()

    def stop(self, timeout: float = 20.0) -> None:
        """Ends it as an operator would; what does not end in time is killed."""
        if self._process.poll() is None:
            self.go_on()
            self._process.terminate()
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()


@contextlib.contextmanager
def local_server(
    *arguments: str, program: str | None = None, listen: str = "127.0.0.1:0", timeout: float = 60.0
) -> Iterator[LocalServer]:
    """Starts the server program, and stops it when the block is left.

    It runs with the profile `testing` and room for 100,000 entries.

    `program` is, unless given, what `HOTPLATE_BIN` names, else `hotplate` on the path. `arguments` are settings as
    `hotplate serve` takes them. Raises `ConfigurationError` when there is no such program or it does not start.
    """
    server = _start(_program(program), listen, arguments, timeout)
    try:
        yield server
    finally:
        server.stop()


def _program(given: str | None) -> str:
    found = given or os.environ.get("HOTPLATE_BIN") or shutil.which("hotplate")
    if not found:
        raise ConfigurationError(
            "no server program: install hotplate-server, or name the program with HOTPLATE_BIN or program="
        )
    return found


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment without settings that were meant for clients: the server refuses those it does not know."""
    return {name: value for name, value in given.items() if not name.startswith("HOTPLATE_")}


def _start(program: str, listen: str, arguments: tuple[str, ...], timeout: float) -> LocalServer:
    # The profile `testing` has room for five entries, which no test of a program expects.
    room = [] if "--memory-entries-max" in arguments else ["--memory-entries-max", "100000"]
    command = [program, "serve", "--profile", "testing", "--listen", listen, "--http", "127.0.0.1:0", *room, *arguments]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(os.environ),
        )
    except OSError as cause:
        raise ConfigurationError(f"the server program {program} cannot be started: {cause.strerror}") from None
    log: deque[str] = deque(maxlen=_LOG_LINES_MAX)
    said: queue.Queue[str] = queue.Queue()
    # Read for as long as it runs: a full pipe would stop the server.
    streams = ((process.stdout, said), (process.stderr, None))
    readers = [threading.Thread(target=_read, args=(stream, log, first), daemon=True) for stream, first in streams]
    for reader in readers:
        reader.start()
    server = LocalServer(process, "", "", log)
    try:
        event = json.loads(said.get(timeout=timeout))
        server.address, server.http = event["grpc"], event["http"]
    except (queue.Empty, ValueError, KeyError, TypeError):
        server.stop()
        # What it said last is why.
        for reader in readers:
            reader.join(_LOG_WAIT)
        raise ConfigurationError(f"the server program {program} did not start:\n{server.log}") from None
    return server


def _read(stream: IO[str] | None, log: deque[str], first: queue.Queue[str] | None) -> None:
    if stream is None:
        return
    for line in stream:
        log.append(line.rstrip())
        if first is not None:
            first.put(line)
            first = None
    if first is not None:
        first.put("")
    stream.close()
