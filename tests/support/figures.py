"""The size and the shape of the code in a few figures: `make figures`.

    python tests/support/figures.py

Our limits stand beside the figures, and what is beyond one is listed. Nothing fails here.
"""

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = "influence_core"


def modules(folder):
    """Python files of a folder of the repository, in order."""
    return sorted((ROOT / folder).rglob("*.py"))


def lines(path):
    return len(path.read_text("utf-8").splitlines())


def imports(path, known):
    """Names of the modules of the core that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & known) or {node.module}
    return found & known


def name_of(path):
    """The dotted name of a module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def fullest(folders):
    """(files, folder) for each folder below these, the fullest first, without `__init__.py`."""
    count = Counter(
        path.parent.relative_to(ROOT)
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".js", ".css"} and path.name != "__init__.py"
    )
    return [(many, folder) for folder, many in count.most_common()]


def show(title, found, limit, over=()):
    """One line, and one more for each thing beyond the limit."""
    print(f"{title:34}{found:>8}   {f'at most {limit}' if limit else ''}".rstrip())
    for value, where in over:
        print(f"{'':34}{value:>8}   {where}")


def main():
    every = {folder: modules(folder) for folder in (CORE, "pages", "tests", "benchmarks")}
    for folder, paths in every.items():
        limit = "27,000" if folder == CORE else ""
        show(f"lines of {folder}", f"{sum(map(lines, paths)):,}", limit)
    for folder in every:
        counts = fullest([folder])
        show(f"files in a folder of {folder}", counts[0][0], 14, [c for c in counts if c[0] > 14])
    for folder, paths in every.items():
        sizes = sorted(((lines(path), path.relative_to(ROOT)) for path in paths), reverse=True)
        longest = sizes[0][0]
        show(f"longest file of {folder}", longest, 320, [size for size in sizes if size[0] > 320])
    known = {name_of(path) for path in every[CORE]}
    each = {path: len(imports(path, known)) for path in every[CORE]}
    show("internal imports a file", f"{sum(each.values()) / len(each):.2f}", "4.0")
    inner = [count for path, count in each.items() if path.name != "__init__.py"]
    show("  without __init__ files", f"{sum(inner) / len(inner):.2f}", "")
    most = sorted(each, key=each.__getitem__, reverse=True)[:5]
    show("  most", each[most[0]], "", [(each[path], path.relative_to(ROOT)) for path in most])


if __name__ == "__main__":
    main()
