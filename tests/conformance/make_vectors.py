"""Writes ttl.json and envelope.json: how lifetimes are read and shown, and how values are stored.

A second implementation of the rules in README.md, from the standard library alone, so that a client checked against the
files is checked against something that shares no code with it. Run it again after a change of the rules:

    python3 tests/conformance/make_vectors.py          # rewrites both
    python3 tests/conformance/make_vectors.py --check  # fails when they are not what it would write
"""

import base64
import json
import pathlib
import re
import struct
import sys

UNITS = [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)]
CLASSES = ["very_short", "short", "medium", "long", "very_long", "day", "week"]
MS_MAX = 100 * 365 * 86_400_000
PATTERN = re.compile("".join(f"(?:([0-9]+){unit})?" for unit, _ in UNITS))


def parse(text):
    """The row of one lifetime: milliseconds, a class, or refused."""
    row = {"text": text}
    lower = text.strip().lower()
    if re.match("[a-z]", lower):
        return {**row, "class": lower}
    if re.fullmatch(r"[0-9]+(\.[0-9]{1,3})?", lower):
        whole, _, fraction = lower.partition(".")
        ms = int(whole) * 1_000 + int((fraction or "0").ljust(3, "0"))
    else:
        match = PATTERN.fullmatch(lower)
        if not match or not lower:
            return {**row, "refused": True}
        ms = sum(int(count) * length for count, (_, length) in zip(match.groups(), UNITS) if count)
    return {**row, "ms": ms} if 0 < ms <= MS_MAX else {**row, "refused": True}


def shown(ms):
    text = ""
    for unit, length in UNITS:
        count, ms = divmod(ms, length)
        text += f"{count}{unit}" if count else ""
    return text or "0ms"


TEXTS = [
    *CLASSES, "VERY_LONG", " Short ", "nightly", "quarter_hour", "infinite", "h",
    "1ms", "250ms", "999ms", "1s", "90s", "59m", "1h", "1h30m", "1d2h3m50s", "2h30m", " 2h30m ", "1w", "1w1ms", "2H30M",
    "1w2d3h4m5s6ms", "100h", "3600s", "90", "1", "300", "1.5", "0.001", "0.25", "1.500", "36500d", "3153600000",
    "007s", "1m5ms",
    "", " ", "0", "0s", "0ms", "0.0", "0.000", "-1s", "-5", "+5", "1x", "1s1s", "1s1h", "5m1h", "1ms1s", "1h 5m", "1.5h", ".5",
    "1.", "1.2345", "1.2.3", "1,5", "36501d", "3153600001", "99999999999999999999s", "18446744073709551615w", "1m5",
    "\u0661s", "\u0661", "1e3", "1_000", "0x10", "5 s", "1\u00b5s", "1y", "1mo",
]
SHOWN = [0, 1, 250, 999, 1_000, 1_001, 59_999, 60_000, 61_001, 3_600_000, 5_400_000, 86_400_000, 93_830_000, 604_800_000,
         694_861_001, 1_234_567_890, MS_MAX]


def packed(value):
    """MessagePack with the shortest form of everything."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return packed_int(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        data = value.encode()
        return sized(len(data), (0xA0, 31), ((0xD9, "B"), (0xDA, "H"), (0xDB, "I"))) + data
    if isinstance(value, list):
        return sized(len(value), (0x90, 15), ((0xDC, "H"), (0xDD, "I"))) + b"".join(map(packed, value))
    head = sized(len(value), (0x80, 15), ((0xDE, "H"), (0xDF, "I")))
    return head + b"".join(packed(name) + packed(item) for name, item in value.items())


def sized(length, fixed, forms):
    first, most = fixed
    if length <= most:
        return bytes([first | length])
    code, form = next((code, form) for code, form in forms if length < 256 ** struct.calcsize(form))
    return bytes([code]) + struct.pack(">" + form, length)


def packed_int(value):
    if -32 <= value < 128:
        return struct.pack("b" if value < 0 else "B", value)
    forms = [(0xCC, "B"), (0xCD, "H"), (0xCE, "I"), (0xCF, "Q")]
    if value < 0:
        forms = [(0xD0, "b"), (0xD1, "h"), (0xD2, "i"), (0xD3, "q")]
    for code, form in forms:
        try:
            return bytes([code]) + struct.pack(">" + form, value)
        except struct.error:
            continue
    raise ValueError(value)


VALUES = [
    None, True, False, 0, 1, -1, 127, 128, 255, 256, 65_535, 65_536, 4_294_967_295, 4_294_967_296, 2**53 - 1, -(2**53 - 1), -32,
    -33, -128, -129, -32_768, -32_769, 0.5, -1.25, 3.141592653589793, "", "text", "a\"b\\c", "line\nend", "\u00e9\u00fc \u4f60\u597d \U0001f600",
    "<a href='x'>&amp;</a>", "x" * 31, "x" * 32, "x" * 256, [], [1, 2, 3], [[], [None]], {}, {"n": 1}, {"a": {"b": [True, "x"]}},
    {"a": 1, "b": 2, "c": 3}, list(range(15)), list(range(16)), {f"k{i:02}": i for i in range(16)},
]


def text_of(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def b64(data):
    return base64.b64encode(data).decode()


def encode_rows():
    for value in VALUES:
        yield {"codec": "json", "value": value, "content_type": "application/json", "bytes": b64(text_of(value))}
        yield {"codec": "msgpack", "value": value, "content_type": "application/msgpack", "bytes": b64(packed(value))}
    for data in [b"", b"\x00", b"abc", bytes(range(256))]:
        value = {"$bytes": b64(data)}
        yield {"codec": "raw", "value": value, "content_type": "application/octet-stream", "bytes": b64(data)}


def decode_rows():
    def row(codec, content_type, data, value=..., encoding=""):
        same = {"codec": codec, "content_type": content_type, "content_encoding": encoding, "bytes": b64(data)}
        return same if value is ... else {**same, "value": value}

    for value in VALUES:
        yield row("json", "application/json", text_of(value), value)
        yield row("msgpack", "application/msgpack", packed(value), value)
    # As others may write them.
    yield row("json", "application/json", b' {"a" : [1 , 2.50] }\n', {"a": [1, 2.5]})
    yield row("json", "application/json", b'"\\u00e9\\ud83d\\ude00"', "\u00e9\U0001f600")
    yield row("json", "application/json; charset=utf-8", b"7", 7)
    yield row("json", "Application/JSON", b"7", 7)
    yield row("msgpack", "application/msgpack", b"\xcf" + struct.pack(">Q", 7), 7)
    yield row("msgpack", "application/msgpack", b"\xd3" + struct.pack(">q", -7), -7)
    yield row("msgpack", "application/msgpack", b"\xca" + struct.pack(">f", 0.5), 0.5)
    for content_type in ["application/octet-stream", "application/json", "text/plain", "image/png", ""]:
        yield row("raw", content_type, b"7", {"$bytes": b64(b"7")})
    # Another content type is never guessed at.
    for content_type in ["text/plain", "application/octet-stream", "application/msgpack", "", "application/jsonp", "json"]:
        yield row("json", content_type, b"7")
    for content_type in ["application/json", "application/octet-stream", "", "application/x-msgpack"]:
        yield row("msgpack", content_type, b"\x07")
    # A value with a content encoding is refused, by every codec.
    for codec, content_type in [("json", "application/json"), ("msgpack", "application/msgpack"), ("raw", "text/plain")]:
        yield row(codec, content_type, b"7", encoding="gzip")
        yield row(codec, content_type, b"7", encoding="identity")
    # Bytes that are no such value.
    for data in [b"", b"{", b"{} {}", b"7,", b"nul", b"'a'", b"NaN", b"Infinity", b"[1,]", b'{"a":}', b'"\xff"', b'"open']:
        yield row("json", "application/json", data)
    for data in [b"", b"\x92\x01", b"\x01\x02", b"\xa5ab", b"\xc1", b"\xdc\x00"]:
        yield row("msgpack", "application/msgpack", data)


def tables():
    yield "ttl.json", {"version": 1, "parse": [parse(text) for text in TEXTS], "format": [{"ms": ms, "text": shown(ms)} for ms in SHOWN]}
    yield "envelope.json", {"version": 1, "encode": list(encode_rows()), "decode": list(decode_rows())}


def written(table):
    lines = []
    for name, rows in table.items():
        if isinstance(rows, list):
            inner = ",\n".join("  " + json.dumps(row, ensure_ascii=True) for row in rows)
            lines.append(f' "{name}": [\n{inner}\n ]')
        else:
            lines.append(f' "{name}": {json.dumps(rows)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main():
    folder = pathlib.Path(__file__).parent
    check = "--check" in sys.argv[1:]
    for name, table in tables():
        text = written(table)
        if not check:
            (folder / name).write_text(text)
        elif (folder / name).read_text() != text:
            sys.exit(f"{name} is not what {pathlib.Path(__file__).name} writes: run it")


if __name__ == "__main__":
    main()
