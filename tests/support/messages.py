"""All sentences that the code says to people, found in its source."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def options_in(sentence: str) -> set[str]:
    """Options of the command line that it names."""
    return set(re.findall(r"--[a-z][a-z-]*", sentence))


def sentences(*places: str) -> Iterator[tuple[str, str]]:
    """Where each string of more than one word stands, and the string; "{}" for what is filled in.

    Args:
        places: files or folders of `influence_core`.
    """
    for place in places:
        path = ROOT / "influence_core" / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            tree = ast.parse(file.read_text("utf-8"))
            for node in _outermost(tree):
                text = _text(node)
                if " " in text:
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", text


def _outermost(node: ast.AST) -> Iterator[ast.expr]:
    """Strings that are no part of another, docstrings left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.JoinedStr) or (
            isinstance(child, ast.Constant) and isinstance(child.value, str)
        ):
            yield child
        else:
            yield from _outermost(child)


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return node.value if isinstance(node, ast.Constant) else "{}"
