"""The key that pickles are signed with, kept out of every pickle, and a serializer for what is pickled elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, TypeAlias

from hotplate.errors import ConfigurationError
from hotplate.serializers.pickled import KEY_BYTES_MIN, _Signed

__all__ = ["KeySource", "SignedBytes", "SigningKey", "key_bytes"]

_WHY: Final = (
    "pickles run code when they are read, so they are signed: give `hmac_key`, the path of a file with at least"
    f" {KEY_BYTES_MIN} random bytes that only your processes can read, or SigningKey(bytes)"
)


class SigningKey:
    """A key in memory. It is never printed, copied or pickled.

    What is pickled itself, such as a `Memory` that joblib sends to other processes, takes the path of a file instead.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        """At least 32 random bytes: `secrets.token_bytes(32)`."""
        if not isinstance(key, (bytes, bytearray)) or len(key) < KEY_BYTES_MIN:
            raise ConfigurationError(f"a signing key has at least {KEY_BYTES_MIN} bytes: secrets.token_bytes(32)")
        self._key = bytes(key)

    def __repr__(self) -> str:
        return "SigningKey(redacted)"

    def __deepcopy__(self, memo: dict[int, Any]) -> SigningKey:
        return self

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a SigningKey is not pickled: give `hmac_key` as the path of a file, which each process reads")


#: Where a key is: in memory, or in a file that each process reads.
KeySource: TypeAlias = SigningKey | Path | str


def key_bytes(source: KeySource | None) -> bytes:
    """The key. Raises `ConfigurationError` without one, and for one that is too short."""
    if isinstance(source, SigningKey):
        return source._key
    if not isinstance(source, (str, Path)):
        raise ConfigurationError(_WHY)
    try:
        key = Path(source).read_bytes()
    except OSError as cause:
        raise ConfigurationError(f"the file with the signing key cannot be read: {cause.strerror}") from None
    return SigningKey(key)._key


class SignedBytes(_Signed):
    """`application/x-signed-pickle`: bytes that were pickled elsewhere, with an HMAC of content, key and namespace."""

    content_type = "application/x-signed-pickle"

    def _dump(self, value: Any) -> bytes:
        return bytes(value)

    def _load(self, content: bytes) -> Any:
        return content
