"""An image folder, or a ZIP of one, without the removed pictures: a list, perhaps a copied tree.

The list is a CSV (`image_path`, `label`) and is edited like any other. In the tree a relabelled
picture moves to the folder of its new class; removed ones are kept apart in `removed/`, so the
export alone can rebuild the original tree.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath

from influence_core.data.keys import to_hex
from influence_core.disk.atomic import plain_errors
from influence_core.disk.fingerprint import of_files
from influence_core.errors import MismatchError
from influence_core.progress import Progress, ProgressFn
from influence_core.store.exports.csv_bytes import write_csv
from influence_core.store.exports.edits import Edit
from influence_core.store.exports.listing import LISTING
from influence_core.store.exports.plan import ExportPlan
from influence_core.store.exports.way_back import Move, Written, inner_path, plain_name

TREE = "images"
REMOVED = "removed"


def write_images(plan: ExportPlan, out: Path, progress: ProgressFn | None = None) -> Written:
    """Write the edited list, and the tree if the options say so.

    Raises:
        MismatchError, StoreError: as `write_csv`, or a picture cannot be read.
    """
    listed = write_csv(plan, out / LISTING, progress)
    pictures = plan.pictures
    if pictures is None or not plan.options.copy_images:
        return replace(listed, revert={**listed.revert, "file": LISTING})
    moves = plan_tree(pictures.paths, plan.edits, pictures.depth)
    copy_tree(pictures.root, pictures.paths, moves, out, progress)
    kept = "Removed pictures are kept in 'removed', which is not part of the data."
    revert = {
        "kind": "tree",
        "moves": [asdict(move) for move in moves.values()],
        "sha256": of_files(pictures.root, sorted(pictures.paths)),
    }
    return Written(listed.rows, revert, (*listed.notes, kept))


def plan_tree(paths: Sequence[str], edits: Mapping[int, Edit], depth: int) -> dict[int, Move]:
    """Where edited pictures go.

    Args:
        paths: of all pictures, relative to the source folder, "/" between parts.
        edits: by position in `paths`.
        depth: which part of a path is the class: 0, or 1 below folders of splits.

    Returns:
        Moves by position; pictures that are not in it keep their place below `images/`.
    """
    taken = {path.casefold() for row, path in enumerate(paths) if row not in edits}
    moves = {}
    for row, edit in edits.items():
        if edit.new_label is None:
            moves[row] = Move(paths[row], f"{REMOVED}/{paths[row]}")
            continue
        parts = list(PurePosixPath(paths[row]).parts)
        parts[depth] = plain_name(edit.new_label, Path(paths[row]))
        wanted = PurePosixPath(*parts)
        if str(wanted).casefold() in taken:
            wanted = wanted.with_name(f"{wanted.stem}-{to_hex(edit.key)}{wanted.suffix}")
        taken.add(str(wanted).casefold())
        moves[row] = Move(paths[row], f"{TREE}/{wanted}")
    return moves


def copy_tree(
    root: Path,
    paths: Sequence[str],
    moves: Mapping[int, Move],
    out: Path,
    progress: ProgressFn | None = None,
) -> None:
    """Copy the pictures to where the plan puts them.

    Raises:
        StoreError: a picture cannot be read. OSError: one cannot be written; the caller says so.
    """
    for row, path in enumerate(paths):
        to = moves[row].new if row in moves else f"{TREE}/{path}"
        _copy(root / path, out / to)
        if progress is not None and (row % 500 == 0 or row + 1 == len(paths)):
            progress(Progress("copy", row + 1, len(paths)))


def restore_tree(export: Path, moves: Sequence[Move], out: Path) -> None:
    """Rebuild the original tree from a copied one and the moves of its manifest.

    Raises:
        MismatchError: a picture is missing.
        StoreError: a path leads out of the export.
    """
    back = {inner_path(move.new, export): inner_path(move.old, export) for move in moves}
    missing = [str(new) for new in back if not (export / new).is_file()]
    if missing:
        raise MismatchError(f"{export} lacks the picture {missing[0]!r}; it was edited.")
    kept = list(_files(export / TREE))
    if not kept and not back:
        raise MismatchError(f"{export} holds no pictures; it was edited.")
    for file in kept:
        inside = PurePosixPath(file.relative_to(export).as_posix())
        _copy(file, out / back.pop(inside, inside.relative_to(TREE)))
    for new, old in back.items():
        _copy(export / new, out / old)


def tree_hash(root: Path) -> str:
    """sha256 hex over the names and contents of all pictures of a tree."""
    return of_files(root, sorted(path.relative_to(root).as_posix() for path in _files(root)))


def _files(root: Path) -> Iterator[Path]:
    return (path for path in sorted(root.rglob("*")) if path.is_file())


def _copy(source: Path, target: Path) -> None:
    with plain_errors("read", source):
        data = source.read_bytes()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
