"""One kept answer: the entry as it came, what was read from it, and how it is told again."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hotplate._core.near.rule import Stamp
from hotplate._core.near.sets import Facts
from hotplate.results import Hit, Negative, Tier, tier
from hotplate.serializers.base import Place, Serializer, decode_checked
from hotplate.ttl import of_wire
from hotplate.v1 import cache_pb2 as pb

#: What keeping an entry takes besides its texts and value, roughly: maps, index and this record.
_ENTRY_BYTES: Final = 1_024
#: The same for each tag and each dependency.
_NAME_BYTES: Final = 160


@dataclass(frozen=True, slots=True)
class Lives:
    """Durations as the server said them, in seconds."""

    age: float
    fresh_for: float
    usable_for: float


@dataclass(slots=True)
class Content:
    """What does not change while an entry stays the same."""

    key: str
    facts: Facts
    etag: str
    content_type: str
    encoding: str
    value: bytes | None
    negative: tuple[str, str] | None
    tier: Tier
    # Read by the serializer that came first; others read anew.
    shared: tuple[Serializer, Any] | None = field(default=None)

    @classmethod
    def of(cls, key: str, response: pb.GetResponse) -> tuple[Content, Lives] | None:
        """The content of a fresh answer; None for anything else."""
        entry = response.entry
        payload = entry.WhichOneof("payload")
        value: bytes | None = None
        negative: tuple[str, str] | None = None
        if payload == "value" and response.outcome == pb.GET_OUTCOME_HIT:
            value = entry.value
        elif payload == "negative" and response.outcome == pb.GET_OUTCOME_NEGATIVE:
            negative = (entry.negative.reason, entry.negative.message)
        else:
            return None
        data = entry.metadata
        lives = Lives(of_wire(data.age), of_wire(data.fresh_for), of_wire(data.usable_for))
        facts = Facts.of(data)
        content = cls(
            key, facts, data.etag, data.content_type, data.encoding, value, negative, tier(response.served_from)
        )
        return content, lives

    @property
    def charge(self) -> int:
        """Bytes it counts for: its value twice, as it came and as it was read."""
        body = 2 * len(self.value) if self.value is not None else sum(map(len, self.negative or ()))
        names = [*self.facts.tags, *self.facts.depends_on]
        texts = (self.key, self.etag, self.content_type, self.encoding, self.facts.kind, *names)
        return _ENTRY_BYTES + _NAME_BYTES * len(names) + body + sum(map(len, texts))


@dataclass(slots=True)
class Kept:
    """An entry and what was known of it when the server was asked."""

    content: Content
    stamp: Stamp
    asked_at: float
    """When it was asked for: what the server said of lifetimes held a little later."""
    lives: Lives
    until: float
    """When it is no longer served."""
    trust: int = 0
    """Of which unbroken following of changes it is part."""
    charge: int = 0

    def age(self, now: float) -> float:
        """How old it is by now."""
        return self.lives.age + max(0.0, now - self.asked_at)

    def lookup(self, serializer: Serializer, place: Place, how: str, now: float) -> Hit[Any] | Negative:
        """What a read answers; `how` is the `copy` of the options."""
        passed = max(0.0, now - self.asked_at)
        fresh_for = max(0.0, self.lives.fresh_for - passed)
        content = self.content
        if content.negative is not None:
            return Negative(*content.negative, fresh_for)
        return Hit(
            value=self._value(serializer, place, how),
            age=self.age(now),
            fresh_for=fresh_for,
            usable_for=max(0.0, self.lives.usable_for - passed),
            tier=content.tier,
            etag=content.etag,
            near=True,
            content_type=content.content_type,
        )

    def _value(self, serializer: Serializer, place: Place, how: str) -> Any:
        content = self.content
        if how != "bytes":
            shared = content.shared
            if shared is not None and (shared[0] is serializer or shared[0] == serializer):
                return copy.deepcopy(shared[1]) if how == "deepcopy" else shared[1]
        value = decode_checked(serializer, content.value or b"", content.content_type, content.encoding, place)
        if how != "bytes":
            # Two readers may both be first: which of their objects stays does not matter.
            content.shared = (serializer, value)
            return copy.deepcopy(value) if how == "deepcopy" else value
        return value

    def confirmed(self, stamp: Stamp, asked_at: float, lives: Lives) -> Kept:
        """The same content, as the server has it now."""
        return replace(self, stamp=stamp, asked_at=asked_at, lives=lives, until=asked_at + lives.fresh_for)
