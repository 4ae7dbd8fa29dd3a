"""Makes the environment in which this SDK is checked and tested: a venv in target/tools, which is not touched again.

Needs Python 3.11 or newer. Quick when nothing has changed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Makes the venv, or finds that it is there."""
    if sys.version_info < (3, 11):
        print("Python 3.11 or newer is needed", file=sys.stderr)
        return 1
    tools = Path(os.environ.get("HOTPLATE_TOOLS") or ROOT.parent.parent / "target/tools")
    home = tools / "sdk/python/venv"
    wanted = ROOT / "requirements-dev.txt"
    mark = home / "prepared"
    state = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()
    if mark.exists() and mark.read_text() == state:
        return 0
    if not (home / "bin/python").exists():
        venv.create(home, with_pip=True)
    subprocess.run([home / "bin/python", "-m", "pip", "install", "--quiet", "-r", wanted], check=True)
    mark.write_text(state)
    return 0


if __name__ == "__main__":
    sys.exit(main())
