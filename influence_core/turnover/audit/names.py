"""Long lists of parameter names in a few words, for the audit's headline.

"encoder.layer.0.output.LayerNorm.weight", "…1…", "…2…" become "output.LayerNorm 0–2".
"""

from collections.abc import Sequence

SHOWN = 3
LEAVES = ("weight", "bias", "running_mean", "running_var")


def describe(names: Sequence[str]) -> str:
    """The first few groups of names, in the given order, and how many more there are."""
    groups: dict[tuple[str, str], list[int]] = {}
    leaves: dict[tuple[str, str], set[str]] = {}
    for name in names:
        before, number, after, leaf = _split(name)
        group = (before, after)
        numbers = groups.setdefault(group, [])
        if number is not None and number not in numbers:
            numbers.append(number)
        leaves.setdefault(group, set()).add(leaf)
    shown = [_title(group, groups[group], leaves[group]) for group in list(groups)[:SHOWN]]
    more = len(groups) - len(shown)
    if more:
        shown.append(f"{more} more")
    return ", ".join(shown)


def _split(name: str) -> tuple[str, int | None, str, str]:
    """Path before the first number, that number, path after it, and the parameter's own name."""
    parts = name.split(".")
    leaf = parts.pop() if parts[-1] in LEAVES else ""
    for i, part in enumerate(parts):
        if part.isdigit():
            return ".".join(parts[:i]), int(part), ".".join(parts[i + 1 :]), leaf
    return ".".join(parts), None, "", leaf


def _title(group: tuple[str, str], numbers: list[int], leaves: set[str]) -> str:
    before, after = group
    title = after or (before if not numbers else before.rsplit(".", 1)[-1])
    if len(leaves) == 1 and leaves != {"weight"}:
        title += f" {next(iter(leaves))}".rstrip()
    return f"{title} {_ranges(sorted(numbers))}" if numbers else title.strip()


def _ranges(numbers: list[int]) -> str:
    """[0, 1, 2, 5] as "0–2, 5"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}–{r[-1]}" for r in runs)
