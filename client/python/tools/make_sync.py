"""Makes the threaded client from the one for asyncio: `src/hotplate/_sync` from `src/hotplate/_aio`.

Rewrites tokens, not syntax: `await` and `async` go, names that begin with `Async` lose that, and a few names have a
twin.
What stands between `# Only with event loops:` and `# Both:` is left out. `runtime.py` and `transport.py` are
written for each by hand: they are where both really differ.

    python tools/make_sync.py          writes the files
    python tools/make_sync.py --check  fails when they are not what they should be
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src/hotplate/_aio"
TARGET = ROOT / "src/hotplate/_sync"
BY_HAND = {"__init__.py", "runtime.py", "transport.py"}
NAMES = {
    "_aio": "_sync",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "AsyncIterator": "Iterator",
    "AsyncIterable": "Iterable",
    "AsyncGenerator": "Generator",
    "StopAsyncIteration": "StopIteration",
    "isasyncgenfunction": "isgeneratorfunction",
    "aclosing": "closing",
}


def converted(text: str) -> str:
    """The text of a file, for threads."""
    text = re.sub(r"^ *# Only with event loops:.*?^ *# Both:[^\n]*\n", "", text, flags=re.DOTALL | re.MULTILINE)
    text = _without_awaitables(text)
    out: list[str] = []
    at = (1, 0)
    lines = text.splitlines(keepends=True)
    drop_space = False
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        between = _between(lines, at, token.start)
        at = token.end
        if drop_space:
            between = between.lstrip(" ")
            drop_space = False
        if token.type == tokenize.NAME and token.string in ("async", "await"):
            out.append(between)
            drop_space = True
            continue
        out.append(between + _token(token))
    return "".join(out)


def _token(token: tokenize.TokenInfo) -> str:
    if token.type == tokenize.NAME:
        return _name(token.string)
    if token.type in (tokenize.STRING, tokenize.COMMENT):
        return _prose(token.string)
    return token.string


def _name(name: str) -> str:
    if name in NAMES:
        return NAMES[name]
    return re.sub(r"^(_?)Async(?=[A-Z])", r"\1", name)


def _prose(text: str) -> str:
    text = re.sub(r"\b(async|await) ", "", text)
    text = re.sub(r"\b_aio\b", "_sync", text)
    return re.sub(r"\bAsync(?=[A-Z])", "", text)


def _without_awaitables(text: str) -> str:
    """`Awaitable[X]` is `X`; no argument of one holds a bracket that is not closed in it."""
    while (start := text.find("Awaitable[")) >= 0:
        depth, end = 0, start + len("Awaitable")
        while True:
            depth += {"[": 1, "]": -1}.get(text[end], 0)
            end += 1
            if depth == 0:
                break
        text = text[:start] + text[start + len("Awaitable[") : end - 1] + text[end:]
    return re.sub(r"\bAwaitable, |, Awaitable\b", "", text)


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]] if start[0] <= len(lines) else ""
    parts = [lines[start[0] - 1][start[1] :], *lines[start[0] : end[0] - 1]]
    if end[0] <= len(lines):
        parts.append(lines[end[0] - 1][: end[1]])
    return "".join(parts)


def made() -> dict[Path, str]:
    """Every file that is made, with its text."""
    files = {}
    for source in sorted(SOURCE.glob("*.py")):
        if source.name not in BY_HAND:
            note = f"# Made from hotplate/_aio/{source.name} by tools/make_sync.py: change that one.\n"
            files[TARGET / source.name] = note + converted(source.read_text())
    return {path: _formatted(path, text) for path, text in files.items()}


def _formatted(path: Path, text: str) -> str:
    ruff = Path(sys.executable).parent / "ruff"
    for command in (["check", "--select", "I,F401,RUF100", "--fix-only", "--quiet"], ["format", "--quiet"]):
        run = [str(ruff), *command, "--stdin-filename", str(path), "-"]
        text = subprocess.run(run, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return text


def main() -> int:
    """Writes the files, or compares them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a file is not as it should be")
    check = parser.parse_args().check
    files = made()
    known = {path.name for path in files} | BY_HAND
    left_over = [path for path in TARGET.glob("*.py") if path.name not in known]
    changed = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    for path in [*changed, *left_over] if check else []:
        print(f"{path.relative_to(ROOT)} is not what tools/make_sync.py makes: run it", file=sys.stderr)
    if not check:
        for path in changed:
            path.write_text(files[path])
        for path in left_over:
            path.unlink()
    return 1 if check and (changed or left_over) else 0


if __name__ == "__main__":
    sys.exit(main())
