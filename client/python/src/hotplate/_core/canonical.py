"""One text for one value: JSON as RFC 8785 writes it, restricted to what every language can agree on.

Keys are hashed over this text, so a difference of one byte between two clients is a cache that never hits.
"""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

from hotplate.errors import InvalidArgumentError

#: Largest integer that every language's floats hold exactly.
INTEGER_MAX: Final = (1 << 53) - 1
#: Deepest nesting of arrays and objects.
DEPTH_MAX: Final = 64

_ESCAPES: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
}


def nfc(text: str) -> str:
    """Text in Unicode normal form C: what looks the same is the same."""
    return unicodedata.normalize("NFC", text)


def dumps(value: object) -> str:
    """The canonical text of a JSON value.

    Raises `InvalidArgumentError` for what has no JSON form, an integer beyond ±(2^53 - 1), a float that is not finite,
    nesting beyond 64, and two names of an object that are one after normalisation.
    """
    out: list[str] = []
    _write(out, value, 0)
    return "".join(out)


def number_text(number: int | float) -> str:
    """A number as ECMAScript prints it."""
    if isinstance(number, int):
        if abs(number) > INTEGER_MAX:
            raise InvalidArgumentError("an integer in a key is beyond ±(2^53 - 1): pass it as text", field="key")
        return str(number)
    return float_text(number)


def float_text(number: float) -> str:
    """The shortest digits that read back as the same number, laid out by ECMAScript's rules."""
    if not math.isfinite(number):
        raise InvalidArgumentError("a number in a key is not finite", field="key")
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = f"{abs(number)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = whole + fraction
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    digits = stripped.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{rest}e{point - 1:+d}"


def _write(out: list[str], value: object, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise InvalidArgumentError("a key parameter is nested deeper than 64", field="key")
    if value is None:
        out.append("null")
    elif isinstance(value, bool):
        out.append("true" if value else "false")
    elif isinstance(value, (int, float)):
        out.append(number_text(value))
    elif isinstance(value, str):
        _write_text(out, nfc(value))
    elif isinstance(value, Mapping):
        _write_object(out, value, depth)
    elif isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        out.append("[")
        for index, item in enumerate(value):
            if index:
                out.append(",")
            _write(out, item, depth + 1)
        out.append("]")
    else:
        raise InvalidArgumentError(
            f"a key parameter of type {type(value).__name__} has no JSON form: pass text, a number, a list or a dict",
            field="key",
        )


def _write_object(out: list[str], members: Mapping[object, object], depth: int) -> None:
    named: list[tuple[bytes, str, object]] = []
    for name, value in members.items():
        if not isinstance(name, str):
            raise InvalidArgumentError("the names of a key parameter are text", field="key")
        normal = nfc(name)
        # RFC 8785 orders names by their UTF-16 code units.
        named.append((normal.encode("utf-16-be", "surrogatepass"), normal, value))
    named.sort(key=lambda member: member[0])
    if any(one[0] == next_one[0] for one, next_one in itertools.pairwise(named)):
        raise InvalidArgumentError("two names of a key parameter are the same in normal form", field="key")
    out.append("{")
    for index, (_, name, value) in enumerate(named):
        if index:
            out.append(",")
        _write_text(out, name)
        out.append(":")
        _write(out, value, depth + 1)
    out.append("}")


def _write_text(out: list[str], text: str) -> None:
    out.append('"')
    for char in text:
        escape = _ESCAPES.get(char)
        if escape is not None:
            out.append(escape)
        elif char < " ":
            out.append(f"\\u{ord(char):04x}")
        else:
            out.append(char)
    out.append('"')
