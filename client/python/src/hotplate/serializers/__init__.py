"""How values become bytes and back, and what content type says so.

`Json` is the default. What needs a library that is not there says how to install it when it is made, not when it is
first used. No serializer runs code on reading, except `Pickle` and `Joblib`, which prove first who wrote the bytes.
"""

from __future__ import annotations

from hotplate.serializers.arrays import Npy, SafeTensors
from hotplate.serializers.auto import Auto
from hotplate.serializers.base import Encoded, Place, Serializer, decode_checked, essence
from hotplate.serializers.frames import Arrow
from hotplate.serializers.json import Json
from hotplate.serializers.messages import Protobuf
from hotplate.serializers.msgpack import MessagePack
from hotplate.serializers.pickled import Joblib, Pickle
from hotplate.serializers.plain import Raw, Text

__all__ = [
    "Arrow",
    "Auto",
    "Encoded",
    "Joblib",
    "Json",
    "MessagePack",
    "Npy",
    "Pickle",
    "Place",
    "Protobuf",
    "Raw",
    "SafeTensors",
    "Serializer",
    "Text",
    "decode_checked",
    "essence",
]
