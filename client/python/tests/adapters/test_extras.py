"""What an adapter says where its library is not installed."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("adapter", "library", "extra"),
    [
        ("dogpile", "dogpile", "dogpile"),
        ("fastapi", "starlette", "fastapi"),
        ("fastapi", "fastapi", "fastapi"),
        ("joblib", "joblib", "joblib"),
        ("langchain", "langchain_core", "langchain"),
        ("litellm", "litellm", "litellm"),
    ],
)
def test_it_names_the_extra(adapter: str, library: str, extra: str) -> None:
    program = f"import sys; sys.modules[{library!r}] = None; import hotplate.adapters.{adapter}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert f"pip install 'hotplate[{extra}]'" in last
