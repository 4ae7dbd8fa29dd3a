"""Which entries a selector means, looked at from the client: the same answer as the server gives, or one more."""

from __future__ import annotations

from dataclasses import dataclass

from hotplate._core.near.glob import Glob
from hotplate.v1 import types_pb2 as types


@dataclass(frozen=True, slots=True)
class Facts:
    """What of an entry, besides its key, selectors look at."""

    kind: str = ""
    tags: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()

    @classmethod
    def of(cls, metadata: types.EntryMetadata) -> Facts:
        """Those of an entry."""
        return cls(metadata.kind, tuple(metadata.tags), tuple(metadata.depends_on))


@dataclass(frozen=True, slots=True)
class Set:
    """Some entries of a namespace.

    `kind` is `key`, `prefix`, `glob`, `tag`, `all_tags`, `kind`, `dependents_of`, `dependents` (entries that were made
    from others, whatever these are) or `everything`.
    """

    kind: str
    name: str = ""
    tags: tuple[str, ...] = ()
    glob: Glob | None = None

    @classmethod
    def of(cls, selector: types.Selector) -> Set:
        """What a selector means.

        One that this client does not know, or cannot read, means everything: what is dropped needlessly is fetched
        again, what is kept wrongly is served.
        """
        kind = selector.WhichOneof("selector")
        if kind is None or kind == "everything":
            return EVERYTHING
        if kind == "all_tags":
            return cls(kind, tags=tuple(selector.all_tags.tags))
        if kind == "glob":
            glob = Glob.parse(selector.glob)
            return EVERYTHING if glob is None else cls(kind, glob=glob)
        return cls(kind, str(getattr(selector, kind)))

    def selects(self, key: str, facts: Facts) -> bool:
        """Whether it means an entry."""
        match self.kind:
            case "key":
                return self.name == key
            case "prefix":
                return key.startswith(self.name)
            case "glob":
                return self.glob is not None and self.glob.matches(key)
            case "tag":
                return self.name in facts.tags
            case "all_tags":
                return all(tag in facts.tags for tag in self.tags)
            case "kind":
                return self.name == facts.kind
            case "dependents_of":
                return self.name in facts.depends_on
            case "dependents":
                return bool(facts.depends_on)
            case _:
                return True


#: All entries.
EVERYTHING = Set("everything")
#: Entries that were made from others.
DEPENDENTS = Set("dependents")
