"""The help for tests of users: fixtures, and servers that do not start."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hotplate import ConfigurationError
from hotplate.testing import local_server

pytest_plugins = ("pytester",)


def test_fixtures_give_a_server_and_a_client(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    pytester.makepyfile(
        """
        def test_one(hotplate_client):
            assert hotplate_client.namespace().put("k", 1).is_stored

        def test_two(hotplate_client, hotplate_server):
            assert hotplate_client.namespace().get_value("k") is None
            assert hotplate_server.address in hotplate_server.url("ml")
        """
    )
    result = pytester.runpytest_subprocess("-p", "hotplate_pytest")
    result.assert_outcomes(passed=2)


def test_a_run_that_knows_nothing_of_a_cache_loads_no_client(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    pytester.makepyfile(
        """
        import sys

        def test_one():
            assert not {"hotplate", "grpc", "google.protobuf"} & set(sys.modules)
        """
    )
    pytester.runpytest_subprocess("-p", "hotplate_pytest").assert_outcomes(passed=1)


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="memory-entries-max"), local_server("--memory-entries-max", "none"):
        pass
    with pytest.raises(ConfigurationError, match="cannot be started"), local_server(program=str(tmp_path / "nothing")):
        pass


def test_a_program_that_is_nowhere_is_said_how_to_get(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOTPLATE_BIN", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigurationError, match="hotplate-server"), local_server():
        pass
