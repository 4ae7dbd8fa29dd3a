"""What an adapter says when the library that it adapts to is not installed."""

from __future__ import annotations

from hotplate.serializers.base import missing


def needed(library: str, extra: str) -> ImportError:
    """The error to raise from an import that failed."""
    return ImportError(missing(library, extra).message)
