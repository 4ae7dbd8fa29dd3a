"""The adapters' checks and tests, in an environment of their own: what they adapt to is heavy, and only they need it.

    python3 tools/adapters.py prepare    # makes target/tools/sdk/python-adapters/venv; quick when nothing has changed
    python3 tools/adapters.py check      # types, against the real libraries
    python3 tools/adapters.py test       # tests, and the suites that these libraries bring along
    python3 tools/adapters.py examples   # examples/ of the repository, each twice, in new processes

`test` and `examples` start servers of the program that HOTPLATE_BIN names.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import environment
from environment import ROOT

REPOSITORY = ROOT.parent.parent
WANTED = ROOT / "requirements-adapters.txt"
EXAMPLES = ("sklearn-pipeline", "langchain-cache", "joblib-pipeline")
LOOPS = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
# Together all of tests/adapters. dogpile's suite sleeps for most of its time, and importing LiteLLM takes long.
GROUPS = ("dogpile", "litellm langchain", "joblib fastapi extras")


def main(arguments: list[str]) -> int:
    """Runs one command; what is left of the arguments goes to pytest or mypy."""
    commands = {"prepare": prepare, "check": check, "test": test, "examples": examples}
    if not arguments or arguments[0] not in commands:
        print(f"one of: {', '.join(commands)}", file=sys.stderr)
        return 2
    return commands[arguments[0]](arguments[1:])


def prepare(_rest: list[str]) -> int:
    """Makes the venv, or finds that it is there."""
    environment.prepare("python-adapters", WANTED)
    return 0


def check(rest: list[str]) -> int:
    """Types of the adapters and their tests."""
    return _run("-m", "mypy", "--config-file", "tools/adapters.mypy.ini", *rest)


def test(rest: list[str]) -> int:
    """All tests of the adapters, in processes that run beside each other; or what pytest is given."""
    if rest:
        return _run("-m", "pytest", *LOOPS, *rest)
    files = {path.stem.removeprefix("test_") for path in (ROOT / "tests/adapters").glob("test_*.py")}
    if files != set(" ".join(GROUPS).split()):
        print("GROUPS does not name every file of tests/adapters", file=sys.stderr)
        return 1
    with ThreadPoolExecutor(len(GROUPS)) as beside:
        return int(any(list(beside.map(_group, GROUPS))))


def examples(rest: list[str]) -> int:
    """The examples, or those that are named."""
    for name in rest or EXAMPLES:
        if failed := _run(str(REPOSITORY / "examples/run.py"), name):
            return failed
    return 0


def _group(names: str) -> int:
    """Runs some of the tests; what they say is shown in one piece."""
    files = [f"tests/adapters/test_{name}.py" for name in names.split()]
    done = subprocess.run(
        [environment.home("python-adapters") / "bin/python", "-m", "pytest", *LOOPS, *files],
        cwd=ROOT,
        env=_variables(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(f"{names}:\n{done.stdout}", end="", flush=True)
    return done.returncode


def _run(*command: str) -> int:
    python = environment.home("python-adapters") / "bin/python"
    return subprocess.run([python, *command], cwd=ROOT, env=_variables(), check=False).returncode


def _variables() -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH"))))
    # Threads of numeric libraries would spin while they wait for each other on a busy machine.
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
