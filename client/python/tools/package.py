"""Builds the package, installs it where nothing else is, and runs the walkthrough from there against a server.

Needs the server program in HOTPLATE_BIN.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from hotplate.testing import local_server


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Runs a program to its end, and gives what it prints."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HOTPLATE_", "PYTHON"))}
    done = subprocess.run(
        command, cwd=cwd, env={**clean, **environment}, check=False, text=True, stdout=subprocess.PIPE
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{command[0]} failed")
    return done.stdout


def main() -> int:
    """Builds, checks, installs and runs."""
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    # Without isolation: the build's own needs are in the environment, and nothing is fetched.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, ROOT)
    built = sorted(dist.iterdir())
    print(run(sys.executable, "-m", "twine", "check", "--strict", *built), end="")
    (wheel,) = (path for path in built if path.suffix == ".whl")
    with tempfile.TemporaryDirectory() as place:
        clean = Path(place)
        venv.create(clean / "venv", with_pip=True)
        python = clean / "venv/bin/python"
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
        shutil.copy(ROOT / "samples/walkthrough/main.py", clean)
        with local_server() as server:
            print(run(python, "main.py", cwd=clean, HOTPLATE_URL=server.url("walkthrough")), end="")
        typed = run(python, "-c", "import hotplate, pathlib; print(pathlib.Path(hotplate.__file__).parent)", cwd=clean)
        package = Path(typed.strip())
        wanted = (package / "py.typed", package.parent / "hotplate_pytest.py")
        if not all(path.exists() for path in wanted) or not typed.startswith(place):
            raise SystemExit("the wheel does not hold what it should")
    print(f"built and proved: {', '.join(path.name for path in built)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
