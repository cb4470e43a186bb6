"""What folders of pictures mean: which level is the class, which are splits, what is passed over.

A folder on disk and a ZIP are both a list of paths here, so that they are read by one rule: the
majority decides, exceptions are named, and what a tree does not tell is asked. `image_folder` and
`zip_file` are the callers.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from influence_core.data.budget import short_list
from influence_core.data.columns import LEVELS
from influence_core.data.images import UNREAD, is_image_name
from influence_core.data.rows import LeftOut
from influence_core.data.splitting import known_split, unusual_splits
from influence_core.errors import DataError

# What programs leave beside pictures; never rows, and not worth a word.
JUNK = frozenset(
    {"__macosx", "__pycache__", "@eadir", "@__thumb", "#recycle", "$recycle.bin", "lost+found"}
    | {"system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini"}
)
THUMBNAILS = frozenset({"thumb", "thumbs", "thumbnail", "thumbnails", "_thumbs", "_thumbnails"})
# A folder of these names with nearly all of the pictures in it is no class.
HOLDERS = frozenset({"images", "image", "imgs", "img", "pictures", "pics", "photos", "data"})
# Beside splits these are what is left over, however much it is.
RESTS = frozenset({"unlabeled", "unlabelled", "unsup", "unsupervised", "extra", "extras", "misc"})
LISTS = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".xlsx")
NAMED = 3  # places of each reason


class Picture(NamedTuple):
    """A picture's path, its split, and its path from the class's folder on."""

    path: str
    split: str | None
    rest: tuple[str, ...]


@dataclass(frozen=True)
class Tree:
    """Pictures of a tree.

    Attributes:
        base: folder that holds everything, "" or with "/" at its end.
        pictures: all that are rows, by path.
        places: by split, the folder below which its class folders are.
        levels: 1, or 2 where each of two levels of folders may be the class.
        told: sentences about what was found out.
        left_out: pictures that are no rows.
    """

    base: str
    pictures: tuple[Picture, ...]
    places: Mapping[str | None, str]
    levels: int
    told: tuple[str, ...]
    left_out: tuple[LeftOut, ...]

    def labels(self, pictures: Sequence[Picture]) -> dict[str, list[str | None]]:
        """The class of each as the column `label`, or a column for each level that may be it."""
        if self.levels == 1:
            return {"label": [picture.rest[0] for picture in pictures]}
        return {
            column: [p.rest[level] if len(p.rest) > level + 1 else None for p in pictures]
            for level, column in enumerate(LEVELS)
        }


def is_junk(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or what some program leaves behind."""
    return name.startswith(".") or name.casefold() in JUNK


def arrange(paths: Iterable[str], name: str, is_row: Callable[[str], bool] = is_image_name) -> Tree:
    """Find out what a tree's folders mean.

    Args:
        paths: of all files, relative, "/" between parts.
        name: of the folder or archive, for messages; `is_row` tells pictures by their path.

    Raises:
        DataError: there are no pictures in class folders, or nobody can tell what the folders are.
    """
    files = [p for p in sorted(paths) if not any(is_junk(part) for part in p.split("/"))]
    pictures = [Picture(p, None, tuple(p.split("/"))) for p in files if is_row(p)]
    others = [p for p in files if not is_row(p)]
    if not pictures:
        kinds = f"; it holds {_kinds(others)}" if others else ""
        raise DataError(
            f"{name} has no pictures of a kind that is read (PNG, JPEG, TIFF and others){kinds}; "
            "put them as <class>/<picture>.png, or as <split>/<class>/<picture>.png."
        )
    left: dict[str, list[str]] = {}
    pictures, base = _without_outer(pictures, left)
    pictures, told = _with_splits(pictures, left, name)
    pictures, places = _without_inner(pictures, base, left)
    rows = [p for p in pictures if len(p.rest) > 1 and not _is_thumbnail(p)]
    flat = [p.path for p in pictures if len(p.rest) == 1]
    if len(flat) >= len(rows):
        listed = next((p for p in others if p.lower().endswith(LISTS)), None)
        hint = f"; if {listed} lists them, name that file instead" if listed else ""
        raise DataError(
            f"Pictures of {name} stand in no class folder ({len(flat):,} of them); put them as "
            f"<class>/<picture>.png{hint}."
        )
    left["stands in no class folder"] = flat
    left["is a thumbnail"] = [p.path for p in pictures if _is_thumbnail(p)]
    for path in others:
        suffix = PurePosixPath(path).suffix.lower()
        if suffix in UNREAD:
            left.setdefault(f"is a {suffix} picture, which is not read", []).append(path)
    return Tree(
        base=base,
        pictures=tuple(rows),
        places={picture.split: places[picture.split] for picture in rows},
        levels=_levels(rows),
        told=(*told, *_deeper(rows), *_passed_over(others, rows)),
        left_out=tuple(
            LeftOut(why, len(out), tuple(f"{_printable(p)} of {name}" for p in out[:NAMED]), "")
            for why, out in left.items()
            if out
        ),
    )


def _without_inner(
    pictures: list[Picture], base: str, left: dict[str, list[str]]
) -> tuple[list[Picture], dict[str | None, str]]:
    """Without a folder in each split that holds all of it; and where its class folders are.

    What is one of several folders in another split stays, so that all are cut at one level.
    """
    places = {p.split: _place(p, base) for p in pictures if len(p.rest) > 1}
    parts = {split: [p for p in pictures if p.split == split] for split in (None, *places)}
    cut = {split: _without_outer(part, {}, split) for split, part in parts.items()}
    tops = {p.rest[0] for inner, _ in cut.values() for p in inner if len(p.rest) > 1}
    made = []
    for split, part in parts.items():
        if cut[split][1].partition("/")[0] in tops:
            made += part
            continue
        inner, outer = _without_outer(part, left, split)
        made += inner
        places[split] = places.get(split, base) + outer
    return sorted(made), places


def _is_thumbnail(picture: Picture) -> bool:
    return any(part.casefold() in THUMBNAILS for part in picture.rest[1:-1])


def _place(picture: Picture, base: str) -> str:
    """The folder below which a picture's class folder is."""
    rest = "/".join(picture.rest)
    return picture.path.removesuffix(rest) if picture.path.endswith(rest) else base


def _without_outer(
    pictures: list[Picture], left: dict[str, list[str]], split: str | None = None
) -> tuple[list[Picture], str]:
    """Without folders that hold everything (or nearly, if they are called so); and these.

    One that is called like a split holds no other.
    """
    outer = ""
    while True:
        inside = Counter(p.rest[0] for p in pictures if len(p.rest) > 1)
        if not inside:
            return pictures, outer
        (first, count), *more = inside.most_common()
        deep = sum(len(p.rest) > 2 for p in pictures if p.rest[0] == first)
        nearly = first.casefold() in HOLDERS and 10 * count >= 9 * len(pictures)
        if (
            known_split(first) not in (None, split)
            or 2 * deep <= len(pictures)
            or (more and not nearly)
        ):
            return pictures, outer
        for folder, _ in more:
            out = [p.path for p in pictures if len(p.rest) > 1 and p.rest[0] == folder]
            left[f"stands in the folder {folder!r} beside {first!r}"] = out
        pictures = [
            p._replace(rest=p.rest[1:]) if len(p.rest) > 1 else p
            for p in pictures
            if len(p.rest) == 1 or p.rest[0] == first
        ]
        outer += f"{first}/"


def _with_splits(
    pictures: list[Picture], left: dict[str, list[str]], name: str
) -> tuple[list[Picture], list[str]]:
    """Each with its split, if folders are splits; and what there is to tell."""
    tops: dict[str, list[Picture]] = {}
    for picture in pictures:
        if len(picture.rest) > 1:
            tops.setdefault(picture.rest[0], []).append(picture)
    called = {top: split for top in tops if (split := known_split(top))}
    nested = {t: s for t, s in called.items() if _most(len(p.rest) > 2 for p in tops[t])}
    inside = sum(len(tops[top]) for top in nested)
    outside = sum(
        len(tops[top]) for top in tops if top not in nested and top.casefold() not in RESTS
    )
    only_splits = "train" in nested.values() and called.keys() == tops.keys()
    if len(set(nested.values())) > 1 or inside > outside or only_splits:
        return _outer_splits(pictures, nested, left, name), unusual_splits(nested, "The folder")
    if len(set(called.values())) > 1 and 2 * sum(len(tops[t]) for t in called) >= len(pictures):
        raise DataError(
            f"{name} has the splits {short_list(sorted(called))}, but no class folders in them; "
            "put pictures as <split>/<class>/<picture>.png, or name a table that lists them."
        )
    inner = {p.rest[1]: known_split(p.rest[1]) for p in pictures if len(p.rest) > 2}
    found = {folder: split for folder, split in inner.items() if split}
    in_splits = (p.rest[1] in found for p in pictures if len(p.rest) > 1)
    if {*found.values()} > {"train"} and _most(in_splits):
        return _inner_splits(pictures, found, left, name), unusual_splits(found, "The folder")
    return pictures, [
        f"The folder {top!r} is read as a class: most pictures stand beside it." for top in nested
    ]


def _outer_splits(
    pictures: list[Picture], splits: Mapping[str, str], left: dict[str, list[str]], name: str
) -> list[Picture]:
    """`<split>/<class>/...`; what stands beside the splits is left out."""
    beside = sorted({p.rest[0] for p in pictures if len(p.rest) > 1} - splits.keys())
    if "train" not in splits.values() and beside:
        raise DataError(
            f"{name} has folders for the splits {short_list(sorted(splits))} but none for train; "
            f"rename {beside[0]!r} if it is that."
        )
    if len(set(splits.values())) < len(splits):
        raise DataError(
            f"{name} has two folders for one split ({short_list(sorted(splits))}); rename or join "
            "them."
        )
    for folder in beside:
        flat = known_split(folder) is not None
        why = (
            f"stands in {folder!r}, which has no class folders"
            if flat
            else (f"stands in the folder {folder!r} beside the splits")
        )
        left[why] = [p.path for p in pictures if len(p.rest) > 1 and p.rest[0] == folder]
    return [
        p._replace(split=splits.get(p.rest[0]), rest=p.rest[1:] if p.rest[0] in splits else p.rest)
        for p in pictures
        if len(p.rest) == 1 or p.rest[0] in splits
    ]


def _inner_splits(
    pictures: list[Picture], splits: Mapping[str, str], left: dict[str, list[str]], name: str
) -> list[Picture]:
    """`<class>/<split>/...`; what a class holds beside the splits is left out."""
    if _most(len(p.rest) > 3 for p in pictures):
        first = next(p.rest[0] for p in pictures if len(p.rest) > 3)
        raise DataError(
            f"{name} has splits in each of its folders, and classes in these: one level too many; "
            f"name one of the folders, such as {first!r}."
        )
    inside = [p for p in pictures if len(p.rest) > 2 and p.rest[1] in splits]
    kept = {p.path for p in inside}
    left["stands beside the splits of its class"] = [
        p.path for p in pictures if len(p.rest) > 1 and p.path not in kept
    ]
    flat = [p for p in pictures if len(p.rest) == 1]
    return flat + [
        p._replace(split=splits[p.rest[1]], rest=(p.rest[0], *p.rest[2:])) for p in inside
    ]


def _levels(rows: Sequence[Picture]) -> int:
    """2 if most pictures lie in folders of the same names below each of several folders."""
    above: dict[str, set[str]] = {}
    for picture in rows:
        if len(picture.rest) > 2:
            above.setdefault(picture.rest[1], set()).add(picture.rest[0])
    shared = (len(p.rest) > 2 and len(above[p.rest[1]]) > 1 for p in rows)
    return 2 if _most(shared) else 1


def _deeper(rows: Sequence[Picture]) -> list[str]:
    deep = sorted({p.rest[:2] for p in rows if len(p.rest) > 2})
    if not deep or _levels(rows) > 1:
        return []
    name, below = deep[0]
    return [f"Folders in a class's folder are part of the class, such as {below!r} in {name!r}."]


def _passed_over(others: Sequence[str], rows: Sequence[Picture]) -> list[str]:
    """What is no picture, by kind, and folders that are no class for want of pictures."""
    told = [f"Files that are no pictures are passed over: {_kinds(others)}."] if others else []
    unread = {p.rpartition("/")[0] for p in others if PurePosixPath(p).suffix.lower() in UNREAD}
    lost = sorted(unread - {p.path.rpartition("/")[0] for p in rows} - {""})
    if lost:
        told.append(f"Folders without a picture that is read are no classes: {short_list(lost)}.")
    return told


def _kinds(paths: Sequence[str]) -> str:
    """ "20 .heic, 1 .md"."""
    kinds = Counter(PurePosixPath(path).suffix.lower() or "without a suffix" for path in paths)
    shown = [f"{count:,} {_printable(kind)[:20]}" for kind, count in kinds.most_common(6)]
    return ", ".join(shown + ["others"] * (len(kinds) > 6))


def _most(facts: Iterable[bool]) -> bool:
    """Whether more than half of them are so."""
    count = Counter(facts)
    return count[True] > count[False]


def _printable(name: str) -> str:
    """A file name that is no UTF-8 text, with its bytes written out."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
