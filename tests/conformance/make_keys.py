"""Writes keys.json: what every client must make of the same key calls.

A second implementation of the rules in README.md, from the standard library alone, so that a client checked against
the file is checked against something that shares no code with it. Run it again after a change of the rules:

    python3 tests/conformance/make_keys.py          # rewrites keys.json
    python3 tests/conformance/make_keys.py --check  # fails when keys.json is not what it would write
"""

import hashlib
import json
import math
import pathlib
import random
import struct
import sys
import unicodedata

RESERVED = set(":*?[]%/")
SPACES = set(map(chr, [0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]))
KEY_BYTES_MAX = 1024
TEXT_INLINE_MAX = 1000
INTEGER_MAX = 2**53 - 1


class Refused(Exception):
    """The calls make no key."""


def nfc(text):
    return unicodedata.normalize("NFC", text)


def short_hash(data):
    return hashlib.sha256(data).hexdigest()[:32]


def number(value):
    if isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            raise Refused("integer")
        return str(value)
    if not math.isfinite(value):
        raise Refused("float")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    if fraction == "0":
        fraction = ""
    point = len(whole) + int(exponent or "0")
    digits = whole + fraction
    leading = len(digits) - len(digits.lstrip("0"))
    digits, point = digits.lstrip("0").rstrip("0"), point - leading
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    shown = point - 1
    tail = f"e{'+' if shown >= 0 else '-'}{abs(shown)}"
    return sign + digits[0] + ("." + digits[1:] if count > 1 else "") + tail


def string(text):
    named = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
    body = (named.get(c) or (f"\\u{ord(c):04x}" if ord(c) < 0x20 else c) for c in nfc(text))
    return '"' + "".join(body) + '"'


def canonical(value, depth=0):
    if depth > 64:
        raise Refused("depth")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, str):
        return string(value)
    if isinstance(value, list):
        return "[" + ",".join(canonical(item, depth + 1) for item in value) + "]"
    names = [nfc(name) for name in value]
    if len(set(names)) != len(names):
        raise Refused("names")
    members = sorted(((nfc(n), v) for n, v in value.items()), key=lambda member: member[0].encode("utf-16-be"))
    return "{" + ",".join(string(n) + ":" + canonical(v, depth + 1) for n, v in members) + "}"


def encode_inner(text):
    out = []
    for c in text:
        if c in RESERVED or c in SPACES or unicodedata.category(c) == "Cc":
            out.extend(f"%{byte:02X}" for byte in c.encode())
        else:
            out.append(c)
    return "".join(out)


def encode(text):
    return "%7E" + encode_inner(text[1:]) if text.startswith("~") else encode_inner(text)


def segment(text):
    if text == "":
        raise Refused("empty")
    return encode(nfc(text))


def param(name, value):
    if name == "" or value == "":
        raise Refused("empty")
    if isinstance(value, str):
        text = nfc(value)
    elif isinstance(value, (list, dict)):
        text = short_hash(canonical(value).encode())
    else:
        text = canonical(value)
    return encode(nfc(name)).replace("_", "%5F") + "_" + encode_inner(text)


def one(call):
    verb, *rest = call
    if verb == "segments":
        return [segment(text) for text in rest[0]]
    if verb == "id":
        return [segment(rest[0])]
    if verb == "param":
        return [param(*rest)]
    if verb == "params":
        return [short_hash(canonical(rest[0]).encode())]
    if verb == "unordered":
        return [short_hash(canonical(sorted(map(nfc, rest[0]))).encode())]
    if verb == "text":
        text = nfc(rest[0])
        return [segment(text) if len(text) <= TEXT_INLINE_MAX else "~sha256:" + short_hash(text.encode())]
    if verb == "content":
        return ["~sha256:" + short_hash(bytes.fromhex(rest[0]))]
    raise ValueError(verb)


def render(calls):
    segments = [text for call in calls for text in one(call)]
    if not segments:
        raise Refused("empty")
    whole = ":".join(segments)
    if len(whole.encode()) <= KEY_BYTES_MAX:
        return whole
    suffix = "~sha256:" + short_hash(whole.encode())
    short = ""
    for text in segments:
        if len((short + text).encode()) + 1 + len(suffix) > KEY_BYTES_MAX:
            break
        short += text + ":"
    return short + suffix


def base():
    return ["segments", ["k"]]


def calls_by_hand():
    yield "metrics of a model", [["segments", ["model", "metrics"]], ["id", "abc-123"]]
    yield "importance, top ten", [["segments", ["model", "feature_importance"]], ["id", "abc-123"], ["param", "top", 10]]
    yield "comparison", [["segments", ["model", "comparison"]], ["unordered", ["m2", "m1", "m3"]]]
    yield "comparison, other order", [["segments", ["model", "comparison"]], ["unordered", ["m3", "m2", "m1"]]]
    yield "forecast by content", [["segments", ["forecast"]], ["id", "7"], ["content", b"ds,y\n1,2\n".hex()]]
    yield "prompt", [["segments", ["ai", "summarize"]], ["text", "Summarize: why is the sky blue?"]]
    yield "nothing", [["segments", []]]
    yield "one segment", [["segments", ["a"]]]
    yield "empty segment", [["segments", ["a", ""]]]
    yield "empty id", [base(), ["id", ""]]
    yield "empty text", [base(), ["text", ""]]
    yield "empty content", [base(), ["content", ""]]
    yield "empty parameter name", [base(), ["param", "", 1]]
    yield "empty parameter value", [base(), ["param", "a", ""]]
    yield "empty list of ids", [base(), ["unordered", []]]
    yield "ids twice", [base(), ["unordered", ["a", "a", "b"]]]
    yield "ids beyond the first plane", [base(), ["unordered", ["\U0001F600", "\uFB01", "z", "é"]]]
    yield "ids that normalise", [base(), ["unordered", ["e\u0301", "\u00e9"]]]
    yield "underscore in a name", [base(), ["param", "top_k", 5]]
    yield "underscore in a value", [base(), ["param", "top", "k_5"]]
    yield "tilde first", [base(), ["id", "~sha256"]]
    yield "tilde later", [base(), ["id", "a~b"]]
    yield "tilde in a value", [base(), ["param", "p", "~x"]]
    yield "tilde in a name", [base(), ["param", "~p", "x"]]
    yield "percent", [base(), ["id", "100%25"]]
    yield "slash and colon", [base(), ["id", "http://host:80/a?b=c"]]
    yield "glob", [base(), ["id", "a[bc]*?"]]
    yield "backslash", [base(), ["id", "a\\b"]]


def calls_by_character():
    for code in [0, 1, 8, 9, 10, 13, 0x1B, 0x1F, 0x20, 0x7F, 0x80, 0x85, 0x9F, 0xA0, 0x1680, 0x2000, 0x200A, 0x200B,
                 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF, 0xAD, 0x34F, 0x1F600, 0x10FFFD]:
        yield f"character {code:04X}", [base(), ["id", f"a{chr(code)}b"]]
    for code in [0xC5, 0x212B, 0x2126, 0xFB01, 0x1E9B, 0xAC00, 0x958, 0x2ADC, 0x1D15E, 0x0344, 0x0F73, 0x1F71]:
        yield f"normal form of {code:04X}", [base(), ["id", chr(code)]]
    for name, text in [("a with ring", "a\u030a"), ("hangul", "\u1100\u1161\u11a8"), ("two marks", "q\u0307\u0323"),
                       ("marks in order", "q\u0323\u0307"), ("mark alone", "\u0301"), ("vietnamese", "e\u0302\u0301")]:
        yield f"composed {name}", [base(), ["id", text]]
        yield f"composed {name}, as text", [base(), ["text", text]]
    for c in ":*?[]%/":
        yield f"reserved {c}", [base(), ["id", f"a{c}b"], ["param", f"n{c}", f"v{c}"]]


def calls_by_value():
    values = [None, True, False, 0, -1, 10, INTEGER_MAX, -INTEGER_MAX, INTEGER_MAX + 1, -INTEGER_MAX - 1, 0.5, -0.25, 1.5,
              100.0, -0.0, 1e-6, 1e-7, 1e20, 1e21, 123456789.125, "text", "10", "a b", "é", "e\u0301", [], {}, [1], ["a"],
              {"a": 1}, {"b": 1, "a": 2}, {"é": 1, "e": 2}, [[1, [2, [3]]]], {"a": {"b": {"c": None}}}, "line\nbreak",
              'quote"', "back\\slash", "\u0001", "\u007f", {"\U0001F600": 1, "\uFB01": 2}, [0.1, 0.2, 0.3], [True, None]]
    for value in values:
        shown = json.dumps(value)
        yield f"parameter {shown}", [base(), ["param", "p", value]]
        yield f"parameters {shown}", [base(), ["params", {"v": value}]]
    deep = 1
    for _ in range(63):
        deep = [deep]
    yield "depth 64", [base(), ["params", [deep]]]
    yield "depth 65", [base(), ["params", [[deep]]]]
    yield "names that are one", [base(), ["params", {"e\u0301": 1, "\u00e9": 2}]]


def calls_by_length():
    for size in [999, 1000, 1001, 5000]:
        yield f"text of {size}", [base(), ["text", "x" * size]]
        yield f"text of {size} in another script", [base(), ["text", "ж" * size]]
    yield "text that shrinks to 1000", [base(), ["text", "e\u0301" * 1000]]
    for size in [1021, 1022, 1023]:
        yield f"id of {size}", [base(), ["id", "x" * size]]
    yield "first segment too long", [["segments", ["x" * 1025]]]
    yield "first segment just fits", [["segments", ["x" * 983, "y" * 500]]]
    yield "first segment just does not fit", [["segments", ["x" * 984, "y" * 500]]]
    yield "many segments", [["segments", [f"segment-{index}" for index in range(200)]]]
    yield "many segments, other end", [["segments", [f"segment-{index}" for index in range(199)] + ["other"]]]
    yield "encoded beyond the bound", [base(), ["text", "a b/" * 200]]
    yield "hash, then long", [base(), ["content", "00ff"], ["id", "z" * 1000]]


def keys():
    for source in (calls_by_hand, calls_by_character, calls_by_value, calls_by_length):
        for name, calls in source():
            try:
                yield {"name": name, "calls": calls, "key": render(calls)}
            except Refused:
                yield {"name": name, "calls": calls, "refused": True}


def floats():
    named = [5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 0.2, 0.3, 1 / 3, 2 / 3, 1e21, 1e22, 1e23,
             9.999999999999999e22, 123456789012345680000.0, 1e-6, 9.5e-7, 1e-7, 4.35, 0.000001234, 333333333.33333329, -1e-5,
             295147905179352830000.0, 9007199254740993.0, -0.0, 1.0, 5e-7, 1.5e300]
    generator = random.Random(7)
    while len(named) < 120:
        value = struct.unpack(">d", generator.randbytes(8))[0]
        if math.isfinite(value):
            named.append(value)
    return [{"bits": struct.pack(">d", value).hex(), "text": number(value)} for value in named]


def main():
    path = pathlib.Path(__file__).with_name("keys.json")
    text = json.dumps({"version": 1, "keys": list(keys()), "floats": floats()}, indent=1) + "\n"
    if "--check" in sys.argv[1:]:
        sys.exit(0 if path.read_text() == text else "keys.json is not what make_keys.py writes")
    path.write_text(text)


if __name__ == "__main__":
    main()
