"""Responses of AI services: kept by text, operation and options, each operation with a lifetime of its own."""

from __future__ import annotations

from hotplate._aio.responses import AsyncResponseCache
from hotplate._core.responses import DEFAULT_TTL, OPERATION_TTLS, TextTier, tier_of
from hotplate._sync.responses import ResponseCache

__all__ = ["DEFAULT_TTL", "OPERATION_TTLS", "AsyncResponseCache", "ResponseCache", "TextTier", "tier_of"]
