"""What drivers answer without a client: keys, numbers, lifetimes, codecs, the near cache's rule."""

from __future__ import annotations

import base64
import struct
from datetime import timedelta
from typing import Any

import near_case
import values
from values import told, value_of

import hotplate
from hotplate._core import canonical
from hotplate.serializers import Place, decode_checked
from hotplate.ttl import parse_ttl


class Vectors:
    """The operations on vectors."""

    async def op_key(self, calls: list[Any]) -> Any:
        return {"key": str(values.built(calls))}

    async def op_float(self, bits: str) -> Any:
        return {"text": canonical.float_text(struct.unpack(">d", bytes.fromhex(bits))[0])}

    async def op_ttl_parse(self, text: str) -> Any:
        parsed = parse_ttl(text)
        if isinstance(parsed, str):
            return {"class": parsed}
        return {"ms": parsed // timedelta(milliseconds=1)}

    async def op_ttl_format(self, ms: int) -> Any:
        return {"text": hotplate.format_duration(timedelta(milliseconds=ms))}

    async def op_encode(self, codec: str, value: Any) -> Any:
        encoded = values.codec(codec).encode(value_of(value), Place("default", "key"))
        return {"content_type": encoded.content_type, "bytes": base64.b64encode(encoded.data).decode()}

    async def op_decode(self, codec: str, bytes: str, content_type: str = "", content_encoding: str = "") -> Any:
        data = base64.b64decode(bytes)
        place = Place("default", "key")
        return {"value": told(decode_checked(values.codec(codec), data, content_type, content_encoding or "", place))}

    async def op_near_case(self, settings: dict[str, Any], case: dict[str, Any]) -> Any:
        return {"steps": near_case.run(settings, case)}
