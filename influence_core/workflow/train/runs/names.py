"""What runs are called on screen: size, day and accuracy. The id stays in addresses and files."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from influence_core.store.runs import RunRecord
from influence_core.training.heads.presets import PRESETS


def run_names(records: Sequence[RunRecord]) -> dict[str, str]:
    """By id: "standard, 23 Nov, 89.4 %"; what would be alike has the time, then the id, as well."""
    years = {record.created[:4] for record in records}
    day = "%d %b %Y" if len(years) > 1 else "%d %b"
    names = {record.id: _name(record, day) for record in records}
    names = _told_apart(names, {r.id: _name(r, f"{day} %H:%M") for r in records})
    return _told_apart(names, {ident: f"{name} ({ident})" for ident, name in names.items()})


def _told_apart(names: dict[str, str], longer: dict[str, str]) -> dict[str, str]:
    """Names that stand once, and the longer ones of the others."""
    often = Counter(names.values())
    return {ident: name if often[name] == 1 else longer[ident] for ident, name in names.items()}


def _name(record: RunRecord, day: str) -> str:
    when = datetime.fromisoformat(record.created).strftime(day).lstrip("0")
    parts = [_size(record), when]
    accuracy = [record.metrics.get(f"{split}_accuracy") for split in ("test", "valid")]
    known = [value for value in accuracy if value is not None]
    return ", ".join([*parts, *[f"{100 * value:.1f}\u00a0%" for value in known[:1]]])


def _size(record: RunRecord) -> str:
    """The size that was chosen, or members and hidden units where they are none of a size."""
    if record.kind == "network":
        return "whole network" if record.called == "network" else record.called
    head, options = (record.config.get(name) for name in ("head", "options"))
    if not isinstance(head, Mapping):
        return record.kind
    shape = head.get("members"), head.get("width")
    sizes = [name for name, size in PRESETS.items() if (size.members, size.width) == shape]
    chosen = options.get("size") if isinstance(options, Mapping) else None
    if sizes:
        return str(chosen) if chosen in sizes else sizes[0]
    return f"{shape[0]} × {shape[1]}"
