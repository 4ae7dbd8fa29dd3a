"""What a preload fetches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hotplate._core.texts import checked, checked_all, checked_map
from hotplate.keys import AnyKey, key_text
from hotplate.options import expiration
from hotplate.ttl import TtlLike
from hotplate.v1 import cache_pb2 as pb

__all__ = ["PreloadItem"]


@dataclass(frozen=True, slots=True)
class PreloadItem:
    """One entry to fetch ahead."""

    key: AnyKey
    """Where to store it."""
    origin: str = ""
    """Name of the origin to ask; empty: the namespace's only origin."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Values for the origin's template besides `key` and `namespace`. At most 32, 4 KiB in all."""
    ttl: TtlLike | None = None
    """How long it lives; None: what the origin says, then the namespace's default."""
    kind: str = ""
    """Name of the operation or model type."""
    tags: Iterable[str] = ()
    """Groups it belongs to."""

    def message(self) -> pb.PreloadItem:
        """The item as the contract has it."""
        lives = None if self.ttl is None else expiration({"ttl": self.ttl})
        return pb.PreloadItem(
            key=key_text(self.key),
            origin=checked("origin", self.origin),
            parameters=checked_map("parameters", self.parameters),
            expiration=lives,
            kind=checked("kind", self.kind),
            tags=checked_all("tags", self.tags),
        )
