"""A near cache without its network: the rule, what it keeps, and who may look. All of it under one lock."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hotplate._core.near.follow import Follow, Update
from hotplate._core.near.kept import Content, Kept, Lives
from hotplate._core.near.rule import LOGS, SET_LOG, Change, Place, Rule, Stamp, TooLateError
from hotplate._core.near.sets import EVERYTHING, Set
from hotplate._core.near.shelf import Shelf
from hotplate.near import NearOptions
from hotplate.results import NearStats
from hotplate.ttl import seconds
from hotplate.v1 import cache_pb2 as pb
from hotplate.v1 import types_pb2 as types

#: Changes remembered for answers on their way, and as many of this client's own writes.
FENCES_MAX: Final = 4_096

_REFUSALS: Final[tuple[str, ...]] = (
    "not_synced",
    "other_history",
    "overtaken",
    "own_write",
    "not_followed",
    "dependent",
    "too_large",
)
_COUNTS: Final[tuple[str, ...]] = (
    "hits",
    "misses",
    "admitted",
    "invalidated",
    "evicted",
    "distrusted",
    "revalidated",
    "losses",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on its way to the server."""

    ticket: int
    at: float


@dataclass(frozen=True, slots=True)
class Opening:
    """What to open a stream with."""

    hears_own: bool
    keys: list[str] | None
    """The keys to follow; None when not single keys are followed."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What an answer about lifetimes says of an entry that waits to be confirmed."""

    stamp: Stamp
    fresh_for: float
    usable_for: float


class Core:
    """What one namespace keeps in this process. Times are seconds on a clock that counts while the machine sleeps."""

    def __init__(self, options: NearOptions, fences_max: int = FENCES_MAX) -> None:
        self.options = options
        self._ttl_max = seconds(options.ttl_max)
        self._lock = threading.Lock()
        self._shelf = Shelf(options.room, options.entries_max)
        self._rule = Rule(seconds(options.progress_max), fences_max)
        self._follow = Follow(options.entries_max) if options.follow == "kept_keys" else None
        # Entries of another number are not served: they wait to be confirmed.
        self._trust = 0
        # Keys of entries that wait to be confirmed.
        self._suspects: deque[str] = deque()
        # Whether the stream tells what this client does itself.
        self._hears_own = False
        # Whether the open stream does not do what it should by now.
        self._outdated = False
        self._counts: dict[str, int] = dict.fromkeys(_COUNTS, 0)
        self._refused: dict[str, int] = dict.fromkeys(_REFUSALS, 0)

    def hit(self, key: str, max_age: float | None, now: float) -> Kept | None:
        """What is kept of this key and may be served now, not older than `max_age`."""
        with self._lock:
            kept = self._shelf.get(key) if now < self._rule.serves_until else None
            usable = (
                kept is not None
                and kept.trust == self._trust
                and now < kept.until
                and (max_age is None or kept.age(now) <= max_age)
            )
            self._counts["hits" if usable else "misses"] += 1
            return kept if usable else None

    def ask(self, now: float) -> Asked:
        """Notes that the server is asked now."""
        with self._lock:
            return Asked(self._rule.ticket(), now)

    def offer(self, asked: Asked, key: str, response: pb.GetResponse) -> bool:
        """Keeps an answer if it may be kept. Whether the server has to be told something."""
        found = Content.of(key, response)
        stamp = stamp_of(response.as_of)
        if found is None or stamp is None:
            return False
        content, lives = found
        with self._lock:
            if content.charge > self.options.room:
                # Whoever has read it must not read an older one afterwards.
                self._refused["too_large"] += 1
                if self._shelf.remove(key) is not None and self._follow is not None:
                    self._follow.unwant(key)
                return False
            return self._keep(asked, Kept(content, stamp, asked.at, lives, asked.at + lives.fresh_for))

    def _keep(self, asked: Asked, kept: Kept) -> bool:
        key, facts = kept.content.key, kept.content.facts
        unfit = self._rule.unfit(key, facts, kept.stamp, asked.ticket)
        if unfit is None and facts.depends_on and not self.options.keep_dependents:
            unfit = "dependent"
        if unfit is None and not self._follows(key, kept.stamp):
            self._refused["not_followed"] += 1
            if self._follow is None:
                return False
            return self._follow.want(key, lambda other: self._shelf.peek(other) is not None)
        # Answers may overtake each other: who has read the newer one must not read the older one afterwards.
        if unfit is None and self._has_newer(kept):
            unfit = "overtaken"
        if unfit is not None:
            self._refused[unfit] += 1
            return False
        kept.trust = self._trust
        kept.until = min(kept.until, asked.at + self._ttl_max)
        return self._insert(kept)

    def _has_newer(self, kept: Kept) -> bool:
        present = self._shelf.peek(kept.content.key)
        if present is None or present.trust != self._trust:
            return False
        return present.stamp.key > kept.stamp.key or present.stamp.set > kept.stamp.set

    def _insert(self, kept: Kept) -> bool:
        gone = self._shelf.insert(kept)
        if any(other is kept for other in gone):
            self._refused["too_large"] += 1
        else:
            self._counts["admitted"] += 1
        tell = False
        for other in gone:
            if other is kept:
                continue
            self._counts["evicted"] += 1
            if self._follow is not None:
                self._follow.unwant(other.content.key)
                tell = True
        return tell

    def _follows(self, key: str, stamp: Stamp) -> bool:
        if self._follow is not None:
            return self._follow.covers(key, stamp)
        prefixes = self.options.prefixes
        return prefixes is None or key.startswith(prefixes)

    def wrote(self, sets: Sequence[Set]) -> None:
        """This client is about to write what these cover, or has done so."""
        with self._lock:
            self._note_write(sets)

    def may_have_written(self, sets: Sequence[Set]) -> bool:
        """Whether this client wrote what these cover is not known: it may happen at any time from now on.

        From here on the stream tells what this client does, too. Whether it has to be opened again for that.
        """
        with self._lock:
            self._note_write(sets)
            if self._hears_own:
                return False
            self._hears_own = self._outdated = True
            self._rule.lost()
            return True

    def _note_write(self, sets: Sequence[Set]) -> None:
        self._rule.wrote(sets)
        for one in sets:
            self._drop_covered(one, lambda _: True)

    def opening(self) -> Opening:
        """What to open the next stream with."""
        with self._lock:
            self._outdated = False
            self._rule.lost()
            if self._follow is not None:
                self._follow.lost()
            return Opening(self._hears_own, None if self._follow is None else self._follow.keys())

    def lost(self) -> None:
        """The stream is gone."""
        with self._lock:
            self._counts["losses"] += 1
            self._rule.lost()
            if self._follow is not None:
                self._follow.lost()

    def take(self, message: pb.WatchResponse, continued: bool, now: float) -> None:
        """Takes in one message of the stream that was opened last.

        Raises `TooLateError` when the stream must be opened again, after the last message that was taken in.
        """
        kind = message.WhichOneof("message")
        with self._lock:
            if self._outdated:
                raise TooLateError
            if kind == "created":
                self._created(message.created, continued, now)
            elif kind in ("events", "progress", "discontinuity"):
                self._rule.hear(now)
                if kind == "events":
                    self._events(message.events)
                elif kind == "progress":
                    self._rule.progress(_place(message.progress.position))
                else:
                    self._discontinued(message.discontinuity)

    def _created(self, created: pb.WatchCreated, continued: bool, now: float) -> None:
        at = _place(created.position)
        if not self._rule.created(at, continued, now):
            self._drop_all()
        if self._follow is not None:
            self._follow.opened(created.watch_id, at)

    def _events(self, events: pb.WatchEvents) -> None:
        for event in events.events:
            change = _change(event)
            self._drop_covered(change.what, lambda kept, change=change: change.overtakes(kept.stamp))  # type: ignore[misc]
            self._rule.changed(change)

    def _discontinued(self, lost: pb.WatchDiscontinuity) -> None:
        self._rule.discontinued(_place(lost.position))
        if lost.reason == pb.DISCONTINUITY_REASON_NEW_EPOCH:
            self._drop_all()
            return
        # What is kept may still be right: it is served again when the server says so.
        self._trust += 1
        self._counts["distrusted"] += len(self._shelf)
        self._suspects = deque(self._shelf.keys())

    def _drop_all(self) -> None:
        self._counts["distrusted"] += self._shelf.clear()
        self._suspects.clear()

    def _drop_covered(self, what: Set, overtaken: Callable[[Kept], bool]) -> None:
        for key in self._shelf.candidates(what):
            kept = self._shelf.peek(key)
            if kept is not None and what.selects(key, kept.content.facts) and overtaken(kept):
                self._shelf.remove(key)
                self._counts["invalidated"] += 1

    def suspects(self, count_max: int, now: float) -> tuple[Asked, list[Kept]]:
        """Entries of which the server is to be asked whether they are still right, with the question."""
        with self._lock:
            found: list[Kept] = []
            while len(found) < count_max and self._suspects:
                kept = self._shelf.peek(self._suspects.popleft())
                if kept is not None and kept.trust != self._trust:
                    found.append(kept)
            return Asked(self._rule.ticket(), now), found

    def confirm(self, asked: Asked, suspect: Kept, confirmed: Confirmation | None) -> None:
        """The server says that an entry is still what it was, or else that it is not, or has not said anything."""
        key = suspect.content.key
        with self._lock:
            present = self._shelf.peek(key)
            if present is not None and present.trust == suspect.trust:
                self._shelf.remove(key)
            if confirmed is None:
                return
            lives = Lives(suspect.age(asked.at), confirmed.fresh_for, confirmed.usable_for)
            self._keep(asked, suspect.confirmed(confirmed.stamp, asked.at, lives))
            present = self._shelf.peek(key)
            if present is not None and present.trust == self._trust:
                self._counts["revalidated"] += 1

    def update(self, keys_max: int) -> Update | None:
        """What the server is to be told about single keys."""
        with self._lock:
            return None if self._follow is None else self._follow.update(keys_max)

    def updated(self, update: Update, at: types.Position) -> None:
        """The server was told; `at` says from where on it follows what was added."""
        numbers = [1 << 64] * LOGS
        for log in at.logs:
            if log.log < LOGS:
                numbers[log.log] = log.number
        with self._lock:
            if self._follow is not None:
                self._follow.updated(update, tuple(numbers))

    def not_updated(self, update: Update, full: bool) -> None:
        """The server could not be told; with `full` it follows no more keys."""
        with self._lock:
            if self._follow is not None:
                self._follow.refused(update, full)

    def stats(self, now: float) -> NearStats:
        """What happened and what is held."""
        with self._lock:
            return NearStats(
                **self._counts,
                entries=len(self._shelf),
                bytes=self._shelf.bytes,
                followed=0 if self._follow is None else len(self._follow),
                serving=self._rule.synced and now < self._rule.serves_until,
                refused=dict(self._refused),
            )


def _place(position: types.Position) -> Place:
    """The place that a message of the stream names: all its logs are of one epoch."""
    if not position.logs:
        raise TooLateError
    epoch = position.logs[0].epoch
    numbers = [0] * LOGS
    for log in position.logs:
        if log.log >= LOGS or log.epoch != epoch:
            raise TooLateError
        numbers[log.log] = log.number
    return Place(epoch, tuple(numbers))


def stamp_of(as_of: types.Position) -> Stamp | None:
    """How current an answer is; None when it does not say so for its key and for sets."""
    if len(as_of.logs) != 2:
        return None
    key, one = as_of.logs
    if key.log >= SET_LOG or one.log != SET_LOG or key.epoch != one.epoch:
        return None
    return Stamp(key.epoch, key.log, key.number, one.number)


def _change(event: pb.WatchEvent) -> Change:
    if not event.HasField("position") or event.position.log >= LOGS:
        raise TooLateError
    if event.HasField("selector"):
        what = Set.of(event.selector)
    elif event.key:
        what = Set("key", event.key)
    else:
        what = EVERYTHING
    return Change(event.position.epoch, event.position.log, event.position.number, what)
