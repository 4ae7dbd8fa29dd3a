"""Makes the environment in which this SDK is checked and tested: a venv in target/tools, which is not touched again.

Needs Python 3.11 or newer. Quick when nothing has changed.
"""

from __future__ import annotations

import sys

from environment import ROOT, prepare


def main() -> int:
    """Makes the venv, or finds that it is there."""
    if sys.version_info < (3, 11):
        print("Python 3.11 or newer is needed", file=sys.stderr)
        return 1
    prepare("python", ROOT / "requirements-dev.txt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
