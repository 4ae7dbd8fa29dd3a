"""Keys, files and listings for joblib, which thinks in paths. Nothing is asked of a server here."""

from __future__ import annotations

import datetime
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Final
from urllib.parse import unquote

from hotplate.errors import InvalidArgumentError
from hotplate.keys import Key
from hotplate.ttl import of_wire
from hotplate.v1 import types_pb2 as types

#: Longest part of a path that a key writes out, in bytes of the key; of longer ones it has a hash of as many.
_PART_BYTES_MAX: Final = 64
#: Longest key: beyond 1,024 bytes its end would be a hash, and it could no longer be found by what it begins with.
_KEY_BYTES_MAX: Final = 1000


def key_of(path: str) -> Key:
    """The key of a file: `joblib` and the parts of its path."""
    key = Key("joblib", *(_short(part) for part in path.replace("\\", "/").split("/") if part))
    if len(str(key).encode()) > _KEY_BYTES_MAX:
        raise InvalidArgumentError("a function's module is too deep for a key: use a shorter location", field="key")
    return key


def below(path: str) -> str:
    """What the keys of all files in a folder begin with."""
    return f"{key_of(path)}:"


def last_name(path: str) -> str:
    """The name of a file without its folder."""
    return path.replace("\\", "/").rpartition("/")[2]


def items(entries: Iterable[types.Entry]) -> Iterator[tuple[str, int, datetime.datetime]]:
    """For each result its folder, its bytes, and when it was stored, which stands for its last use."""
    now = datetime.datetime.now()
    found: dict[str, tuple[int, float]] = {}
    for entry in entries:
        *folder, name = (unquote(part) for part in entry.key.split(":")[1:])
        if name == "func_code.py" or not folder:
            continue
        size, age = found.get("/".join(folder), (0, 0.0))
        found["/".join(folder)] = (size + entry.metadata.size_bytes, max(age, of_wire(entry.metadata.age)))
    for path, (size, age) in found.items():
        yield path, size, now - datetime.timedelta(seconds=age)


class Reading(io.BytesIO):
    """A file that was read as a whole."""


class Writing(io.BytesIO):
    """A file that is stored when it is closed; nothing of it, when writing it failed."""

    def __init__(self, store: Callable[[bytes], None]) -> None:
        super().__init__()
        self._store = store

    def close(self) -> None:
        """Stores what was written."""
        if not self.closed:
            content = self.getvalue()
            super().close()
            self._store(content)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drops what was written when the block failed."""
        if kind is None:
            self.close()
        else:
            super().close()


def _short(part: str) -> str:
    if len(str(Key(part)).encode()) <= _PART_BYTES_MAX:
        return part
    return hashlib.sha256(part.encode()).hexdigest()
