"""The settings of a client, checked and put together from arguments, addresses and the environment. Opens nothing."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

from hotplate._core import environment
from hotplate._core.endpoint import Address, parse
from hotplate._core.texts import checked
from hotplate.errors import ConfigurationError, InvalidArgumentError
from hotplate.near import NearOptions, near_options
from hotplate.profile import Profile
from hotplate.ttl import DurationLike, seconds

#: Where a client connects when nothing is said.
DEFAULT_URL: Final = "hotplate://127.0.0.1:7070"
#: Invalidations remembered while the server is away, when nothing is said.
JOURNAL_MAX: Final = 10_000
#: Computations of `get_or_compute` that may run at once, when nothing is said.
COMPUTATIONS_MAX: Final = 1_024
#: Connections for calls, when nothing is said.
CONNECTIONS_MAX: Final = 4

#: The bearer token, or what gives it for each call; for an `AsyncClient` also a coroutine function.
Token: TypeAlias = str | Callable[[], str | Awaitable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What TLS uses, as PEM or the path of a file that holds it."""

    ca: bytes | Path | None = None
    """The certificate authority to trust; without one, those that come with grpcio."""
    certificate: bytes | Path | None = None
    """The certificate to show to the server."""
    key: bytes | Path | None = field(default=None, repr=False)
    """The private key of that certificate."""
    domain: str | None = None
    """The name the server's certificate must have, when it is not the address's host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """All settings of a client."""

    addresses: tuple[Address, ...]
    namespace: str
    token: Token | None = field(repr=False)
    tls: Tls
    profile: Profile
    raises: bool
    disabled: bool
    journal_max: int
    computations_max: int
    connections_max: int
    client_id: str
    client_id_is_own: bool
    """Whether the name was made up, so that nobody else writes under it."""
    near: NearOptions | None
    nears: Mapping[str, NearOptions | None]
    on_state_change: Callable[[bool], None] | None

    def near_of(self, namespace: str) -> NearOptions | None:
        """The near cache of a namespace, if it has one."""
        return self.nears.get(namespace, self.near)


def setup(
    url: str | Sequence[str] | None,
    *,
    namespace: str | None,
    token: Token | None,
    allow_insecure_token: bool,
    tls: Tls | bool | None,
    profile: Profile | str | None,
    timeout: DurationLike | None,
    on_error: Literal["miss", "raise"],
    disabled: bool,
    journal_max: int,
    computations_max: int,
    connections_max: int,
    client_id: str | None,
    near_cache: NearOptions | int | str | None,
    near_caches: Mapping[str, NearOptions | int | str | None] | None,
    on_state_change: Callable[[bool], None] | None,
) -> Setup:
    """Checks everything. Raises `ConfigurationError` with what to change."""
    urls = [url] if isinstance(url, str) else list(url or [DEFAULT_URL])
    addresses = tuple(parse(one) for one in urls)
    if not addresses:
        raise ConfigurationError("a client needs at least one address")
    if tls is not None and tls is not False:
        addresses = tuple(replace(address, tls=True) for address in addresses)
    _check_token(token, addresses, allow_insecure_token)
    if on_error not in ("miss", "raise"):
        raise ConfigurationError("on_error is miss or raise")
    if journal_max < 1 or computations_max < 1:
        raise ConfigurationError("journal_max and computations_max are at least 1")
    if not 1 <= connections_max <= 64:
        raise ConfigurationError("connections_max is 1 to 64")
    for name, text in (("namespace", namespace), ("client_id", client_id)):
        _check_text(name, text)
    if client_id is not None and len(client_id.encode()) > 128:
        raise ConfigurationError("client_id has at most 128 bytes")
    named = next((address.namespace for address in addresses if address.namespace), None)
    return Setup(
        addresses=addresses,
        namespace=namespace or named or "default",
        token=token,
        tls=tls if isinstance(tls, Tls) else Tls(),
        profile=_profile(profile, timeout, addresses),
        raises=on_error == "raise",
        disabled=disabled or environment.disabled(),
        journal_max=journal_max,
        computations_max=computations_max,
        connections_max=connections_max,
        client_id=secrets.token_hex(8) if client_id is None else client_id,
        client_id_is_own=client_id is None,
        near=near_options(near_cache),
        nears={name: near_options(one) for name, one in (near_caches or {}).items()},
        on_state_change=on_state_change,
    )


def _profile(profile: Profile | str | None, timeout: DurationLike | None, addresses: Sequence[Address]) -> Profile:
    if isinstance(profile, str):
        profile = Profile.named(profile)
    chosen = profile or next((one.profile for one in addresses if one.profile is not None), None) or Profile.local()
    if timeout is not None:
        return replace(chosen, call_timeout=seconds(timeout), bulk_timeout=seconds(timeout))
    named = next((one.timeout for one in addresses if one.timeout is not None), None)
    return chosen if named is None else replace(chosen, call_timeout=named, bulk_timeout=named)


def _check_text(name: str, text: str | None) -> None:
    try:
        checked(name, text or "")
    except InvalidArgumentError as error:
        raise ConfigurationError(error.message) from None


def _check_token(token: Token | None, addresses: Sequence[Address], allow_insecure: bool) -> None:
    if token is None:
        return
    if isinstance(token, str):
        check_token_text(token)
    opened = next((one for one in addresses if not one.tls and not one.is_loopback), None)
    if opened is not None and not allow_insecure:
        raise ConfigurationError(
            f"the token would go to {opened.host} unencrypted: use https:// or TLS, or allow_insecure_token=True"
        )


def check_token_text(token: str) -> str:
    """A token that a header can carry. Raises `ConfigurationError` without repeating it."""
    token = token.strip()
    if not token:
        raise ConfigurationError("the token is empty")
    if not token.isascii() or not token.isprintable():
        raise ConfigurationError("the token holds characters that a header cannot carry")
    return token


def pem(what: str, value: bytes | Path | None) -> bytes | None:
    """PEM, read from its file where a path was given. PEM that holds nothing would only show at the first call."""
    if value is None:
        return None
    if isinstance(value, Path):
        try:
            value = value.read_bytes()
        except OSError as cause:
            raise ConfigurationError(f"TLS: the file of the {what} cannot be read: {cause.strerror}") from None
    if b"-----BEGIN " not in value:
        raise ConfigurationError(f"TLS: the {what} is no PEM")
    return value
