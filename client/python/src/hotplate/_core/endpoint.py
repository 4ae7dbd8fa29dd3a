"""Where a server is: how an address is written. Opens no connection."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from hotplate.errors import ConfigurationError
from hotplate.profile import Profile
from hotplate.ttl import seconds

#: The port of `hotplate://` where none is named; `http://` and `https://` have their own.
_DEFAULT_PORTS: Final = {"hotplate": 7070, "http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """One address, taken apart, with the settings its query gave."""

    host: str
    port: int
    tls: bool
    namespace: str | None = None
    timeout: float | None = None
    profile: Profile | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine, where nobody else can listen in."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def target(self) -> str:
        """The address as gRPC takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse(text: str) -> Address:
    """Reads `hotplate://host:7070/namespace?timeout=250ms`, `http://…`, `https://…`, or plain `host:port`.

    Raises `ConfigurationError` with what is wrong. The address itself is not repeated: it may hold a secret.
    """
    text = text.strip()
    try:
        url = urlsplit(text if "://" in text else f"hotplate://{text}")
        port = url.port
    except ValueError:
        raise ConfigurationError("the address is not a URL: write hotplate://host:7070/namespace") from None
    if url.scheme not in _DEFAULT_PORTS:
        raise ConfigurationError(f"unknown scheme `{url.scheme}`: use hotplate://, http:// or https://")
    if url.username is not None or url.password is not None:
        raise ConfigurationError("an address carries no credentials: use the token setting")
    if not url.hostname:
        raise ConfigurationError("the address names no host")
    address = Address(
        host=url.hostname,
        port=_DEFAULT_PORTS[url.scheme] if port is None else port,
        tls=url.scheme == "https",
        namespace=url.path.strip("/") or None,
    )
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        address = _apply(address, name, value)
    return address


def _apply(address: Address, name: str, value: str) -> Address:
    if name == "timeout":
        return replace(address, timeout=seconds(value))
    if name == "profile":
        return replace(address, profile=Profile.named(value))
    if name == "tls":
        if value not in ("true", "false"):
            raise ConfigurationError("`tls` in the address is true or false")
        return replace(address, tls=value == "true")
    raise ConfigurationError(f"unknown setting `{name}` in the address: `timeout`, `profile` and `tls` are known")
