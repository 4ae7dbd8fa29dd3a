"""The bearer token of a call: given as text, or by a function of the user's, which may fail."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Final

from hotplate._core.retry import UNSENT
from hotplate._core.setup import check_token_text
from hotplate.errors import ConfigurationError, HotplateError, UnavailableError

#: The header that carries it.
HEADER: Final = "authorization"


def given(function: Callable[[], str | Awaitable[str]]) -> str | Awaitable[str]:
    """What the function gives. Raises `UnavailableError` for its failure: without a token the cache is away."""
    try:
        return function()
    except Exception as error:
        raise failed(error) from None


def failed(error: Exception) -> HotplateError:
    """What a call ends with whose token could not be had. It does not repeat what may quote a secret."""
    if isinstance(error, ConfigurationError):
        return error
    return UnavailableError(f"the function that gives the token raised {type(error).__name__}", reason=UNSENT)


def metadata(token: object) -> tuple[tuple[str, str], ...]:
    """The metadata of a call. Raises `ConfigurationError` for what a header cannot carry."""
    if inspect.iscoroutine(token):
        token.close()
        raise ConfigurationError("a coroutine function that gives the token needs an AsyncClient")
    if not isinstance(token, str):
        raise ConfigurationError(f"the function that gives the token gave {type(token).__name__}, not text")
    return ((HEADER, f"Bearer {check_token_text(token)}"),)
