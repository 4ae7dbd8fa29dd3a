"""Runs a Python example twice, each time in a new process, against a server of its own: the second time must be a hit.

    python3 client/python/tools/adapters.py prepare
    HOTPLATE_BIN=target/debug/hotplate python3 client/python/tools/adapters.py examples [NAME]

By hand, with a server that runs: the command is in the README beside each example.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from hotplate.testing import local_server

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Runs the example that the first argument names."""
    name = sys.argv[1]
    (program,) = (HERE / name).glob("*.py")
    with local_server() as server, tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "hmac.key"
        key.write_bytes(secrets.token_bytes(32))
        settings = {"HOTPLATE_URL": server.url("examples"), "EXAMPLE_KEY_FILE": str(key)}
        print(f"{name}: first process", flush=True)
        first = run(program, settings)
        print(f"{name}: second process", flush=True)
        second = run(program, settings)
    expect("computed" in first, "the first process finds nothing and computes")
    expect("from the cache" in second and "computed" not in second, "the second process finds what the first computed")
    expect(answer(first) == answer(second), "both answer the same")
    print(f"{name}: ok", flush=True)


def run(program: Path, settings: dict[str, str]) -> str:
    """What one run printed, which is shown as well."""
    environment = {**os.environ, **settings}
    done = subprocess.run([sys.executable, program], env=environment, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, end="", flush=True)
    expect(done.returncode == 0, f"{program.name} ends well")
    return done.stdout


def answer(printed: str) -> list[str]:
    """The lines that must not depend on where the answer came from."""
    return [line for line in printed.splitlines() if line.startswith("answer:")]


def expect(holds: bool, what: str) -> None:
    """Ends the run with what did not hold."""
    if not holds:
        raise SystemExit(f"not so: {what}")


if __name__ == "__main__":
    main()
