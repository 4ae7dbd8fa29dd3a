"""Which single keys the stream follows, for near caches that do not follow whole namespaces. Makes no calls."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hotplate._core.near.rule import Place, Stamp

#: Followed keys looked at to find one that can be given up.
_LOOKS_MAX: Final = 32

# Since when a key is followed: the server was not told (whether it may follow it from before), was told and has not
# answered, or follows it from these numbers on.
_WANTED: Final = "wanted"
_WANTED_AGAIN: Final = "wanted again"
_ASKED: Final = "asked"
_Since = str | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Update:
    """What the server is to be told."""

    watch: str
    add: tuple[str, ...]
    remove: tuple[str, ...]


class Follow:
    """Keys and since when they are followed. Who calls holds the lock."""

    def __init__(self, keys_max: int) -> None:
        self._keys: dict[str, _Since] = {}
        # All keys, in the order in which they are asked whether they can be given up; also some that were.
        self._turns: deque[str] = deque()
        self._wanted: deque[str] = deque()
        # Ordered, so that each has its turn.
        self._unwanted: dict[str, None] = {}
        self._keys_max = keys_max
        # The open stream's name; empty without one.
        self._watch = ""

    def __len__(self) -> int:
        """Keys followed or to be followed."""
        return len(self._keys)

    def keys(self) -> list[str]:
        """What a stream that is opened now has to follow."""
        return list(self._keys)

    def opened(self, watch: str, at: Place) -> None:
        """A stream was opened with all of `keys`."""
        self._watch = watch
        for key, since in self._keys.items():
            # Those that were followed before are told from where the last stream ended.
            if isinstance(since, str):
                self._keys[key] = at.numbers
        self._wanted.clear()
        self._unwanted.clear()

    def lost(self) -> None:
        """The stream is gone."""
        self._watch = ""

    def covers(self, key: str, stamp: Stamp) -> bool:
        """Whether every change of this key after such an answer is told."""
        since = self._keys.get(key)
        return isinstance(since, tuple) and stamp.key >= since[stamp.log]

    def want(self, key: str, kept: Callable[[str], bool]) -> bool:
        """Follows a key. When there are too many, one goes that `kept` does not name; False when all are needed."""
        if key in self._keys:
            return True
        for _ in range(_LOOKS_MAX):
            if len(self._keys) < self._keys_max:
                break
            if not self._turns:
                return False
            other = self._turns.popleft()
            if other in self._keys and kept(other):
                self._turns.append(other)
            else:
                self.unwant(other)
        if len(self._keys) >= self._keys_max:
            return False
        before = key in self._unwanted
        self._unwanted.pop(key, None)
        if len(self._turns) >= 2 * self._keys_max:
            self._turns = deque(self._keys)
        self._turns.append(key)
        self._wanted.append(key)
        self._keys[key] = _WANTED_AGAIN if before else _WANTED
        return True

    def unwant(self, key: str) -> None:
        """A key is no longer needed."""
        since = self._keys.pop(key, None)
        if since is None:
            return
        if since in (_WANTED, _WANTED_AGAIN):
            self._wanted.remove(key)
        # Of what the server never heard there is nothing to tell.
        if since != _WANTED:
            self._unwanted[key] = None

    def update(self, keys_max: int) -> Update | None:
        """The next update, of at most so many keys either way; None when there is nothing to tell, or nobody."""
        if not self._watch or not (self._wanted or self._unwanted):
            return None
        add = tuple(self._wanted.popleft() for _ in range(min(keys_max, len(self._wanted))))
        for key in add:
            self._keys[key] = _ASKED
        remove = tuple(self._unwanted)[:keys_max]
        for key in remove:
            del self._unwanted[key]
        return Update(self._watch, add, remove)

    def updated(self, update: Update, numbers: tuple[int, ...]) -> None:
        """The server follows what was added, from these numbers on."""
        # What another stream was told is no news; that one was opened with these keys.
        if update.watch != self._watch:
            return
        for key in update.add:
            if self._keys.get(key) == _ASKED:
                self._keys[key] = numbers

    def refused(self, update: Update, full: bool) -> None:
        """The server does not follow what was to be added, and may follow what was to be removed.

        With `full`, no more than are followed now ever will be.
        """
        if update.watch == self._watch:
            for key in update.remove:
                since = self._keys.get(key)
                if since is None:
                    self._unwanted[key] = None
                elif since == _WANTED:
                    self._keys[key] = _WANTED_AGAIN
            for key in update.add:
                if self._keys.get(key) == _ASKED:
                    del self._keys[key]
        if full:
            self._keys_max = max(1, len(self._keys))
