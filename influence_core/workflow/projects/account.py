"""The account that every import ends with: what was chosen, read, kept, left out, and why.

The command line, its JSON and the wizard show this and nothing else, so all say the same. It is
made of what the project keeps of its source, so it can be asked for ever after.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from influence_core.data.options import ALL_COLUMNS
from influence_core.data.readers.registry import TITLES
from influence_core.data.source import LeftOut, SourceInfo


@dataclass(frozen=True)
class Account:
    """What became of a source.

    Attributes:
        chosen: which column or way of reading was taken for what; None where there is none.
        told: what else was found out, in sentences.
        read: records that were found.
        kept: rows by split.
        left_out: records that are no rows, by reason.
        unlabelled: rows without labels by split, kept for prediction; `read` is the sum of these,
            `kept` and `left_out`.
    """

    chosen: Mapping[str, str | None]
    told: tuple[str, ...]
    read: int
    kept: Mapping[str, int]
    left_out: tuple[LeftOut, ...]
    unlabelled: Mapping[str, int] = field(default_factory=dict)

    def sentences(self) -> tuple[str, ...]:
        """All of it for people, a line each."""
        rows = sum(self.kept.values())
        gone = sum(out.count for out in self.left_out)
        splits = ", ".join(f"{count:,} {name}" for name, count in self.kept.items())
        aside = "".join(f", {n:,} of {name} to predict" for name, n in self.unlabelled.items())
        chosen = "; ".join(
            f"{name} {'none' if value is None else value}" for name, value in self.chosen.items()
        )
        return (
            f"Chosen: {chosen}.",
            *self.told,
            f"Read {self.read:,}, kept {rows:,} ({splits}){aside}, left out {gone:,}.",
            *map(_sentence, self.left_out),
        )


def _sentence(out: LeftOut) -> str:
    """ "Left out 2 of test: each has no label in column 'y' (line 3 and line 7 of a.csv)."."""
    more = out.count - len(out.places)
    named = ", ".join(out.places) + (f" and {more:,} more" if more and out.places else "")
    split = f" of {out.split}" if out.split else ""
    each = "it" if out.count == 1 else "each"
    return f"Left out {out.count:,}{split}: {each} {out.why}{f' ({named})' if named else ''}."


def account_of(source: SourceInfo, kept: Mapping[str, int]) -> Account:
    """The account of data that was just read, or is opened again.

    Args:
        source: of the data.
        kept: rows by split.
    """
    files = {file.path: file for file in source.files.values()}.values()
    kinds = dict.fromkeys(TITLES[file.kind] for file in files if file.kind in TITLES)
    chosen = {
        "kind": "; ".join(kinds) or None,
        "content": _content(source.content_column),
        "label": source.label_column,
        "id": source.id_column,
        "split": source.split_column,
        "group": source.options.get("group_column"),
    }
    for name in ("encoding", "delimiter"):
        found = dict.fromkeys(getattr(file, name) for file in files)
        said = [_shown(value) for value in found if value is not None]
        if said:
            chosen[name] = ", ".join(said)
    read = source.read or sum(kept.values())  # of data that a program built
    return Account(chosen, source.told, read, kept, source.left_out, source.unlabelled)


def _content(column: str | None) -> str | None:
    return "all columns, as a table" if column == ALL_COLUMNS else column


def _shown(value: str) -> str:
    return {"\t": "tab", ",": "comma", ";": "semicolon", "|": "pipe"}.get(value, value)
