"""Puts the regions of samples that the README names into it: what readers copy is what is run.

A code block that follows `<!-- samples/walkthrough/FILE#region -->` is the lines between `# region NAME` and
`# endregion` of that file.

    python tools/splice.py          writes the README
    python tools/splice.py --check  fails when it is not what it should be
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"<!-- (?P<file>samples/[\w./-]+)#(?P<region>[\w-]+) -->\n```(?P<language>\w+)\n.*?```", re.DOTALL)


def region(file: str, name: str) -> str:
    """The lines of a region, without their common indent."""
    text = (ROOT / file).read_text()
    found = re.search(rf"^ *# region {re.escape(name)}\n(.*?)^ *# endregion", text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise SystemExit(f"{file} has no region `{name}`")
    return textwrap.dedent(found[1]).strip("\n")


def spliced(text: str) -> str:
    """The README with what the samples say now."""

    def block(match: re.Match[str]) -> str:
        file, name, language = match["file"], match["region"], match["language"]
        return f"<!-- {file}#{name} -->\n```{language}\n{region(file, name)}\n```"

    return BLOCK.sub(block, text)


def main() -> int:
    """Writes the README, or compares it."""
    text = README.read_text()
    made = spliced(text)
    if "--check" in sys.argv:
        if made != text:
            print("README.md differs from its samples: run tools/splice.py", file=sys.stderr)
        return int(made != text)
    README.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
