"""How keys are made: readable segments where possible, canonical hashes where not, the same in every language.

The rules are in `tests/conformance/README.md` of the repository, with vectors.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from hotplate._core import canonical
from hotplate._core.texts import checked
from hotplate.errors import InvalidArgumentError

__all__ = ["KEY_BYTES_MAX", "TEXT_INLINE_MAX", "AnyKey", "Key", "key_text"]

#: Longest key, in bytes of UTF-8.
KEY_BYTES_MAX: Final = 1024
#: Longest text, in characters, that `Key.text` writes out.
TEXT_INLINE_MAX: Final = 1000

# What a hashed part begins with. No segment can: a leading `~` is percent-encoded.
_HASH_MARK: Final = "~sha256:"
_RESERVED: Final = frozenset(":*?[]%/")


class Key:
    """A key under construction: segments joined by `:`. Each call gives a new key; none is changed.

    Characters that mean something in keys, globs and URLs (`: * ? [ ] % /`, a leading `~`), white space and control
    characters are percent-encoded; text is in normal form C. What cannot be part of a key is an
    `InvalidArgumentError` at once.

    >>> str(Key("model", "metrics").id("abc-123").param("top", 10))
    'model:metrics:abc-123:top_10'
    >>> Key("model", "comparison").unordered(["b", "a"]) == Key("model", "comparison").unordered(["a", "b"])
    True
    """

    __slots__ = ("_segments",)

    def __init__(self, *segments: str) -> None:
        """Begins with these segments, such as `Key("model", "metrics")`."""
        self._segments: tuple[str, ...] = tuple(_segment(segment) for segment in segments)

    def id(self, value: object) -> Key:
        """Adds one segment: an id, a number, a name; what is no text is written by `str`."""
        return self._with(_segment(str(value)))

    def param(self, name: str, value: object) -> Key:
        """Adds `name_value`.

        Text, numbers, booleans and None are written as they are, lists and dicts as a hash of their canonical JSON. An
        `_` within the name is percent-encoded, so that the first one always ends it.
        """
        text = _param_text(value)
        if not name:
            raise InvalidArgumentError("a key parameter has an empty name", field="key")
        return self._with(f"{_encode(canonical.nfc(name)).replace('_', '%5F')}_{_encode_inner(text)}")

    def params(self, values: Mapping[str, object] | Iterable[object] | object) -> Key:
        """Adds a hash of the canonical JSON of many parameters at once, usually a dict."""
        return self._with(_hash(_utf8(canonical.dumps(values))))

    def unordered(self, ids: Iterable[object]) -> Key:
        """Adds a hash of ids whose order does not matter. Duplicates count."""
        # By code point, not by UTF-16: the order of Python's own comparison.
        return self.params(sorted(canonical.nfc(str(value)) for value in ids))

    def text(self, text: str) -> Key:
        """Adds free text, such as a prompt: written out up to 1,000 characters, hashed beyond."""
        normal = canonical.nfc(text)
        if len(normal) <= TEXT_INLINE_MAX:
            return self._with(_segment(normal))
        return self._with(_HASH_MARK + _hash(_utf8(normal)))

    def content(self, data: Any) -> Key:
        """Adds a hash of content a result was computed from.

        Bytes are hashed as they are. A pandas or polars frame and an Arrow table are hashed as the Arrow IPC stream of
        their data, a numpy array as its dtype, shape and C-ordered bytes; both are the same between processes of one
        set of library versions, not between languages.
        """
        from hotplate._core.content import content_bytes

        return self._with(_HASH_MARK + _hash(content_bytes(data)))

    def __str__(self) -> str:
        """The key's text. Beyond 1,024 bytes as many leading segments as fit are kept; a hash of the whole follows."""
        if not self._segments:
            raise InvalidArgumentError("a key has at least one segment", field="key")
        whole = ":".join(self._segments)
        data = _utf8(whole)
        if len(data) <= KEY_BYTES_MAX:
            return whole
        suffix = _HASH_MARK + _hash(data)
        kept: list[str] = []
        length = len(suffix)
        for segment in self._segments:
            length += len(_utf8(segment)) + 1
            if length > KEY_BYTES_MAX:
                break
            kept.append(segment)
        return ":".join([*kept, suffix])

    def __repr__(self) -> str:
        """Keys may name people or hold parts of prompts: what is printed identifies the key without telling it."""
        digest = hashlib.sha256(":".join(self._segments).encode("utf-8", "surrogatepass")).hexdigest()
        return f"Key(#{digest[:16]})"

    def __eq__(self, other: object) -> bool:
        """Whether both are the same key."""
        return isinstance(other, Key) and self._segments == other._segments

    def __hash__(self) -> int:
        """Equal keys have equal hashes."""
        return hash(self._segments)

    def _with(self, segment: str) -> Key:
        made = Key()
        made._segments = (*self._segments, segment)
        return made


#: What can be used as a key: a `Key`, or text that is taken as the whole key, as it is.
AnyKey: TypeAlias = Key | str


def key_text(key: AnyKey) -> str:
    """The text of a key. What text may be a key is the server's to say, unless it cannot even be sent."""
    if isinstance(key, str):
        return checked("key", key)
    if isinstance(key, Key):
        return str(key)
    raise InvalidArgumentError(f"a key is text or a Key, not {type(key).__name__}", field="key")


def given_text(key: AnyKey) -> str:
    """A key that may not be one, as it was given: under it results name it. Raises for what is no text and no `Key`."""
    return ":".join(key._segments) if isinstance(key, Key) else key if isinstance(key, str) else key_text(key)


def part(text: str, begins: bool) -> str:
    """A part of a segment, written as `Key.id` writes it; `begins` when the segment begins with it."""
    if not text:
        raise InvalidArgumentError("a part of a key is empty", field="key")
    normal = canonical.nfc(checked("key", text))
    return _encode(normal) if begins else _encode_inner(normal)


def _segment(text: str) -> str:
    if not text:
        raise InvalidArgumentError("a key segment is empty", field="key")
    return _encode(canonical.nfc(text))


def _param_text(value: object) -> str:
    if isinstance(value, str):
        if not value:
            raise InvalidArgumentError("a key parameter's value is empty", field="key")
        return canonical.nfc(value)
    if value is None or isinstance(value, (bool, int, float)):
        return canonical.dumps(value)
    return _hash(_utf8(canonical.dumps(value)))


def _hash(data: bytes) -> str:
    # The first half of the SHA-256: 128 bits are enough for names.
    return hashlib.sha256(data).hexdigest()[:32]


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        # The cause's own text quotes the key.
        raise InvalidArgumentError("a key holds half of a surrogate pair", field="key") from None


def _encode(text: str) -> str:
    return f"%7E{_encode_inner(text[1:])}" if text.startswith("~") else _encode_inner(text)


def _encode_inner(text: str) -> str:
    if text.isalnum() and text.isascii():
        return text
    return "".join(_escaped(char) if _is_escaped(char) else char for char in text)


def _is_escaped(char: str) -> bool:
    return char in _RESERVED or char.isspace() or unicodedata.category(char) == "Cc"


def _escaped(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode())
