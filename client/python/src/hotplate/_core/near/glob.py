"""Globs as the contract defines them, in time bounded by text length times pattern length."""

from __future__ import annotations

from collections.abc import Iterator

_Range = tuple[str, str]


class Glob:
    r"""A parsed pattern: `*` any run, `?` one character, `[abc]`, `[a-z]`, `[!a]` one of a set, `\` escapes."""

    __slots__ = ("_parts",)

    def __init__(self, parts: list[tuple[str, list[_Range]]]) -> None:
        # Each part: `run`, `any`, `set`, `not`, with the ranges of the last two; a literal is a set of one.
        self._parts = parts

    @classmethod
    def parse(cls, pattern: str) -> Glob | None:
        """None for what is no pattern."""
        parts: list[tuple[str, list[_Range]]] = []
        chars = iter(pattern)
        for char in chars:
            if char == "*":
                if not parts or parts[-1][0] != "run":
                    parts.append(("run", []))
            elif char == "?":
                parts.append(("any", []))
            elif char == "[":
                one_of = _set(chars)
                if one_of is None:
                    return None
                parts.append(one_of)
            else:
                literal = next(chars, None) if char == "\\" else char
                if literal is None:
                    return None
                parts.append(("set", [(literal, literal)]))
        return cls(parts)

    def matches(self, text: str) -> bool:
        """Whether the whole text matches. On a mismatch only the last run is made longer."""
        part = at = 0
        retry: tuple[int, int] | None = None
        while True:
            if part < len(self._parts) and self._parts[part][0] == "run":
                retry = (part + 1, at)
                part += 1
            elif part < len(self._parts) and at < len(text) and _takes(self._parts[part], text[at]):
                part, at = part + 1, at + 1
            elif part == len(self._parts) and at == len(text):
                return True
            elif retry is not None and retry[1] < len(text):
                retry = (retry[0], retry[1] + 1)
                part, at = retry
            else:
                return False


def _takes(part: tuple[str, list[_Range]], char: str) -> bool:
    kind, ranges = part
    if kind == "any":
        return True
    return any(low <= char <= high for low, high in ranges) != (kind == "not")


def _set(chars: Iterator[str]) -> tuple[str, list[_Range]] | None:
    members: list[tuple[str, bool]] = []
    kind = "set"
    first = True
    for char in chars:
        if first and char == "!":
            kind, first = "not", False
            continue
        first = False
        if char == "]" and members:
            ranges = _ranges(members)
            return None if ranges is None else (kind, ranges)
        if char == "\\":
            escaped = next(chars, None)
            if escaped is None:
                return None
            members.append((escaped, True))
        else:
            members.append((char, False))
    return None


def _ranges(members: list[tuple[str, bool]]) -> list[_Range] | None:
    """Turns `a-z` into a range; a dash that was escaped or stands at either end means itself."""
    ranges: list[_Range] = []
    at = 0
    while at < len(members):
        low = members[at][0]
        if at + 2 < len(members) and members[at + 1] == ("-", False):
            high = members[at + 2][0]
            at += 3
        else:
            high = low
            at += 1
        if low > high:
            return None
        ranges.append((low, high))
    return ranges
