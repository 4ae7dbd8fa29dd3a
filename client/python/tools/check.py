"""Everything that can be said of the code without running it: format, lints, types, and what is made from what."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHECKS = (
    ("ruff", "format", "--check", "--quiet", "."),
    ("ruff", "check", "--quiet", "."),
    ("tools/make_sync.py", "--check"),
    ("tools/splice.py", "--check"),
    ("mypy",),
)


def main() -> int:
    """Runs all checks; fails when one of them does."""
    failed = []
    for check in CHECKS:
        first, *rest = check
        command = [sys.executable, first, *rest] if first.endswith(".py") else [sys.executable, "-m", *check]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(" ".join(check))
    for check_name in failed:
        print(f"failed: {check_name}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
