"""Sets of timeouts for where a client runs. How a timeout is applied lives with the calls."""

from __future__ import annotations

from dataclasses import dataclass

from hotplate.errors import ConfigurationError

__all__ = ["Profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """The timeouts of a client, in seconds, each at least 0.001. Pick the one for the place it runs in."""

    connect_timeout: float = 2.0
    """To establish a connection, TLS included."""
    call_timeout: float = 5.0
    """For a call on one key, retries included; for a stream, to be opened."""
    bulk_timeout: float = 15.0
    """For a call on many entries (batches, listings, invalidations, statistics), retries included."""

    def __post_init__(self) -> None:
        """Refuses timeouts that nothing can meet."""
        if not all(0.001 <= value < 1e9 for value in (self.connect_timeout, self.call_timeout, self.bulk_timeout)):
            raise ConfigurationError("a timeout is at least 1 ms")

    @classmethod
    def local(cls) -> Profile:
        """A developer's machine, with debuggers and cold starts: 2 s, 5 s, 15 s. The default."""
        return cls()

    @classmethod
    def in_cluster(cls) -> Profile:
        """A service next to its cache: 500 ms, 1 s, 5 s."""
        return cls(0.5, 1.0, 5.0)

    @classmethod
    def low_latency(cls) -> Profile:
        """A service that would rather compute than wait: 250 ms, 250 ms, 1 s."""
        return cls(0.25, 0.25, 1.0)

    @classmethod
    def batch(cls) -> Profile:
        """Jobs that move much and wait long: 10 s, 30 s, 120 s."""
        return cls(10.0, 30.0, 120.0)

    @classmethod
    def named(cls, name: str) -> Profile:
        """The profile with this name; any other name is a `ConfigurationError`."""
        makers = {
            "local": cls.local,
            "in_cluster": cls.in_cluster,
            "low_latency": cls.low_latency,
            "batch": cls.batch,
        }
        if name not in makers:
            raise ConfigurationError("unknown profile: use `local`, `in_cluster`, `low_latency` or `batch`")
        return makers[name]()
