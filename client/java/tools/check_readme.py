"""Compares the code of README.md with the samples and tests that are run; `--write` takes it over from them.

A block is marked by `<!-- FILE#region -->` on the line before it. Regions begin with `region NAME` and end with `end`, in a comment.
"""

import pathlib
import re
import sys
import textwrap

HERE = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- (\S+)#(\S+) -->\n```(\w+)\n)(.*?)(```)", re.DOTALL)


def region(path: str, name: str) -> str:
    """The lines of a region, without the indentation they share."""
    lines = (HERE / path).read_text(encoding="utf-8").splitlines()
    begin = next((i for i, line in enumerate(lines) if re.search(rf"(//|<!--) region {re.escape(name)}\b", line)), None)
    if begin is None:
        sys.exit(f"{path} has no region {name}")
    end = next(i for i in range(begin, len(lines)) if re.search(r"(//|<!--) end\b", lines[i]))
    body = textwrap.dedent("\n".join(lines[begin + 1 : end])) + "\n"
    opened = body.count("{") - body.count("}")
    return body + "}\n" * max(0, opened)


def main() -> None:
    readme = HERE / "README.md"
    text = readme.read_text(encoding="utf-8")
    spliced, count = BLOCK.subn(lambda m: m[1] + region(m[2], m[3]) + m[6], text)
    blocks = len(re.findall(r"^```(?:java|xml)\n", text, re.MULTILINE))
    if count != blocks:
        sys.exit(f"README.md has {blocks} blocks of code, of which {count} are from samples and tests")
    if "--write" in sys.argv:
        readme.write_text(spliced, encoding="utf-8")
    elif spliced != text:
        sys.exit("README.md and the samples differ: run `python3 tools/check_readme.py --write`")
    print(f"README.md: {count} blocks are what samples and tests run")


if __name__ == "__main__":
    main()
