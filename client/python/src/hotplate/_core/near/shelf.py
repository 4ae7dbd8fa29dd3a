"""Where kept entries are: a bounded map in order of use, with an index by what selectors name.

Whether an entry may be there is not decided here. Who calls holds the lock.
"""

from __future__ import annotations

from collections import OrderedDict

from hotplate._core.near.kept import Kept
from hotplate._core.near.sets import Set


class Shelf:
    """Entries, the least recently used first."""

    def __init__(self, bytes_max: int, entries_max: int) -> None:
        self._bytes_max = bytes_max
        # What an entry takes at least, so that a bound in bytes is one in entries as well.
        self._share = -(-bytes_max // entries_max)
        self._map: OrderedDict[str, Kept] = OrderedDict()
        self._names: dict[tuple[str, str], set[str]] = {}
        self.bytes = 0

    def __len__(self) -> int:
        """Entries."""
        return len(self._map)

    def keys(self) -> list[str]:
        """All keys."""
        return list(self._map)

    def get(self, key: str) -> Kept | None:
        """An entry, as one that is used."""
        kept = self._map.get(key)
        if kept is not None:
            self._map.move_to_end(key)
        return kept

    def peek(self, key: str) -> Kept | None:
        """An entry, without counting as a use."""
        return self._map.get(key)

    def insert(self, kept: Kept) -> list[Kept]:
        """Puts an entry in the place of the one with its key, and gives what had to go: itself when it does not fit."""
        kept.charge = max(kept.content.charge, self._share)
        self.remove(kept.content.key)
        if kept.charge > self._bytes_max:
            return [kept]
        self._map[kept.content.key] = kept
        self.bytes += kept.charge
        for name in _names(kept):
            self._names.setdefault(name, set()).add(kept.content.key)
        gone: list[Kept] = []
        while self.bytes > self._bytes_max:
            oldest = self.remove(next(iter(self._map)))
            if oldest is not None:
                gone.append(oldest)
        return gone

    def remove(self, key: str) -> Kept | None:
        """Takes an entry out."""
        kept = self._map.pop(key, None)
        if kept is None:
            return None
        self.bytes -= kept.charge
        for name in _names(kept):
            keys = self._names[name]
            keys.discard(key)
            if not keys:
                del self._names[name]
        return kept

    def clear(self) -> int:
        """Takes everything out and answers how many that were."""
        count = len(self._map)
        self._map.clear()
        self._names.clear()
        self.bytes = 0
        return count

    def candidates(self, what: Set) -> list[str]:
        """Keys among which everything is that a set means; whether each of them is meant has to be asked."""
        match what.kind:
            case "key":
                return [what.name] if what.name in self._map else []
            case "tag" | "kind" | "dependents_of" | "dependents":
                return list(self._names.get((what.kind, what.name), ()))
            case "all_tags" if what.tags:
                return list(self._names.get(("tag", what.tags[0]), ()))
            case _:
                return list(self._map)


def _names(kept: Kept) -> list[tuple[str, str]]:
    facts = kept.content.facts
    names = [("tag", tag) for tag in dict.fromkeys(facts.tags)]
    names += [("dependents_of", name) for name in dict.fromkeys(facts.depends_on)]
    if facts.depends_on:
        names.append(("dependents", ""))
    return [*names, ("kind", facts.kind)]
