"""Looks for what the compiler does not: imports that nothing uses, blanks at the ends of lines, tabs, lines that are too long, and public
types without a word on what they are for. The compiler itself runs with all warnings as errors.
"""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent.parent
LINE_MAX = 160
IMPORT = re.compile(r"^import (?:static )?[\w.]+\.(\w+);$", re.MULTILINE)
TYPE = re.compile(
    r"(\*/\n)?((?:@\w+(?:\([^)]*\))?\n)*)^(?:public )?(?:abstract |final |sealed |non-sealed )*(?:class|interface|enum|record|@interface) (\w+)", re.MULTILINE
)


def faults(path: pathlib.Path) -> list[str]:
    """What is wrong with one file."""
    text = path.read_text(encoding="utf-8")
    where = path.relative_to(HERE)
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line != line.rstrip() or "\t" in line:
            found.append(f"{where}:{number}: blanks at its end, or a tab")
        if len(line) > LINE_MAX:
            found.append(f"{where}:{number}: longer than {LINE_MAX} characters")
    code = IMPORT.sub("", text)
    found += [f"{where}: nothing uses the import of {name}" for name in IMPORT.findall(text) if not re.search(rf"\b{name}\b", code)]
    outermost = TYPE.search(text)
    if outermost and not outermost[1]:
        found.append(f"{where}: nothing says what {outermost[3]} is for")
    return found


def main() -> None:
    sources = [
        path
        for path in HERE.rglob("*.java")
        if not {"target", "generated"} & set(path.relative_to(HERE).parts) and path.name != "package-info.java"
    ]
    if not sources:
        sys.exit("there are no sources here")
    found = [fault for path in sorted(sources) for fault in faults(path)]
    if found:
        sys.exit("\n".join(found))
    print(f"{len(sources)} sources: nothing to mend")


if __name__ == "__main__":
    main()
