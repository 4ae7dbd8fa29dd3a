"""Which entries are meant by an invalidation, a listing or a watch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from hotplate._core.texts import checked, checked_all, several
from hotplate.errors import InvalidArgumentError
from hotplate.keys import AnyKey, key_text
from hotplate.v1 import types_pb2 as types

__all__ = ["AnySelector", "Selector", "gathered"]


@dataclass(frozen=True, slots=True, eq=False)
class Selector:
    """Some entries of a namespace; made by its class methods."""

    message: types.Selector
    """The selector as the contract has it."""

    @classmethod
    def key(cls, key: AnyKey) -> Selector:
        """The entry with this key."""
        return cls(types.Selector(key=key_text(key)))

    @classmethod
    def prefix(cls, prefix: str) -> Selector:
        """Every key that begins with this, 1 to 1,024 bytes."""
        return cls(types.Selector(prefix=checked("prefix", prefix)))

    @classmethod
    def glob(cls, glob: str) -> Selector:
        r"""Every key that matches: `*`, `?`, `[a-z]`, `\` escapes. At most 256 bytes and 8 wildcards."""
        return cls(types.Selector(glob=checked("glob", glob)))

    @classmethod
    def tag(cls, tag: str) -> Selector:
        """Every entry with this tag."""
        return cls(types.Selector(tag=checked("tag", tag)))

    @classmethod
    def all_tags(cls, tags: Iterable[str]) -> Selector:
        """Every entry that has all of these tags, 1 to 16."""
        return cls(types.Selector(all_tags=types.TagSet(tags=checked_all("tags", tags))))

    @classmethod
    def kind(cls, kind: str) -> Selector:
        """Every entry of this kind."""
        return cls(types.Selector(kind=checked("kind", kind)))

    @classmethod
    def dependents_of(cls, name: str) -> Selector:
        """Every entry whose writer named this in `depends_on`: a key, or a tag as `tag:NAME`."""
        return cls(types.Selector(dependents_of=checked("dependents_of", name)))

    @classmethod
    def everything(cls) -> Selector:
        """Every entry of the namespace."""
        return cls(types.Selector(everything=True))


#: A selector, or a key.
AnySelector: TypeAlias = Selector | AnyKey


def gathered(
    selectors: Iterable[AnySelector],
    *,
    keys: Iterable[AnyKey] = (),
    prefix: str | None = None,
    glob: str | None = None,
    tags: Iterable[str] = (),
    kind: str | None = None,
    everything: bool = False,
) -> list[types.Selector]:
    """All that is meant, as the contract has it. Raises `InvalidArgumentError` when that is nothing."""
    found = [_message(selector) for selector in selectors]
    found += [Selector.key(key).message for key in several("keys", keys)]
    found += [Selector.tag(tag).message for tag in several("tags", tags)]
    if prefix is not None:
        found.append(Selector.prefix(prefix).message)
    if glob is not None:
        found.append(Selector.glob(glob).message)
    if kind is not None:
        found.append(Selector.kind(kind).message)
    if everything:
        found.append(Selector.everything().message)
    if not found:
        raise InvalidArgumentError(
            "nothing is selected: name keys, tags, a prefix, a glob or a kind, or everything=True",
            reason="NO_SELECTOR",
            field="selectors",
        )
    return found


def _message(selector: AnySelector) -> types.Selector:
    return selector.message if isinstance(selector, Selector) else Selector.key(selector).message
