"""What the adapters' tests share, besides the server and the clients of all tests. Run by tools/adapters.py."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

# LiteLLM would ask the network for prices when it is imported; it has a list of its own.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "time_intensive: dogpile's own mark of tests that take seconds")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A key that pickles are signed with."""
    path = tmp_path / "hmac.key"
    path.write_bytes(secrets.token_bytes(32))
    return path
