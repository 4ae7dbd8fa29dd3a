"""The one place that reads the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from hotplate.errors import ConfigurationError

_BOOLEANS: Final = {"1": True, "true": True, "0": False, "false": False}


def variable(name: str) -> str | None:
    """A variable; one that is empty says nothing."""
    return os.environ.get(name) or None


def disabled() -> bool:
    """Whether `HOTPLATE_DISABLE` asks for a life without cache."""
    value = variable("HOTPLATE_DISABLE") or "0"
    if value not in _BOOLEANS:
        raise ConfigurationError("HOTPLATE_DISABLE is 1 or true, 0 or false")
    return _BOOLEANS[value]


def urls() -> list[str]:
    """The addresses in `HOTPLATE_URL`."""
    return [url.strip() for url in (variable("HOTPLATE_URL") or "").split(",") if url.strip()]


def token() -> str | None:
    """`HOTPLATE_TOKEN`, else what the file that `HOTPLATE_TOKEN_FILE` names holds."""
    named = variable("HOTPLATE_TOKEN")
    path = variable("HOTPLATE_TOKEN_FILE")
    if named is not None or path is None:
        return named
    return file("HOTPLATE_TOKEN_FILE", path).decode("utf-8", "replace").strip()


def file(name: str, path: str) -> bytes:
    """The file that a variable names."""
    try:
        return Path(path).read_bytes()
    except OSError as cause:
        raise ConfigurationError(f"the file that {name} names cannot be read: {cause.strerror}") from None
