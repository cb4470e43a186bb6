"""The sample *reviews*: rated sentences from movie and electronics reviews.

`gold` is the sign of the mean of about 20 raters, `label` of the training rows the sign of one
rater drawn at random: natural label noise of a few per cent. Judge and test splits carry gold
labels, so that accuracy on them means what it says.
"""

import ast
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.store.project import Project

SEED = 2020
TRAIN = 6_000
VALID = 500
TEST = 2_000  # of the rest: features of all of it would not fit into the sample's 25 MB
LABELS = ("negative", "positive")


def write_sources(ratings: Path, out: Path) -> dict[str, Path]:
    """Write one CSV a split; returns split → file."""
    rng = np.random.default_rng(SEED)
    movie = list(_sentences(ratings, "movieReviewSnippets", rng))
    electronics = list(_sentences(ratings, "amazonReviewSnippets", rng))
    movie = [movie[i] for i in rng.permutation(len(movie))]
    electronics = [electronics[i] for i in rng.permutation(len(electronics))]
    half = len(electronics) // 2
    parts = {
        "train": movie[:TRAIN],
        "valid": movie[TRAIN : TRAIN + VALID],
        "test": movie[TRAIN + VALID : TRAIN + VALID + TEST],
        "electronics_valid": electronics[:half],
        "electronics_test": electronics[half:],
    }
    out.mkdir(parents=True, exist_ok=True)
    files = {}
    for split, rows in parts.items():
        files[split] = out / f"{split}.csv"
        with files[split].open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["id", "text", "label", "gold", "mean"])
            for row in rows:
                label = row["label"] if split == "train" else row["gold"]
                writer.writerow([row["id"], row["text"], label, row["gold"], row["mean"]])
    return files


def _sentences(ratings: Path, name: str, rng: np.random.Generator) -> Iterator[dict[str, str]]:
    """Sentences that the raters did not find neutral: |mean| ≥ 0.5."""
    scores = {}
    for line in (ratings / f"{name}_anonDataRatings.txt").read_text("latin-1").splitlines():
        fields = line.split("\t")
        if len(fields) >= 2 and fields[-1].startswith("["):
            scores[_id(fields[0])] = [s for s in ast.literal_eval(fields[-1]) if s != 0]
    for line in (ratings / f"{name}_GroundTruth.txt").read_text("latin-1").splitlines():
        fields = line.split("\t")
        if len(fields) < 3 or abs(float(fields[1])) < 0.5 or not fields[2].strip():
            continue
        key = _id(fields[0])
        if not scores.get(key):
            continue
        drawn = int(rng.choice(scores[key]))
        yield {
            "id": f"{name.removesuffix('ReviewSnippets')}-{key}",
            "text": _mended(fields[2].strip()),
            "label": LABELS[drawn > 0],
            "gold": LABELS[float(fields[1]) > 0],
            "mean": f"{float(fields[1]):.2f}",
        }


def _id(text: str) -> str:
    # One file begins with a UTF-8 byte-order mark, read here as latin-1.
    return text.removeprefix("ï»¿").strip()


def _mended(text: str) -> str:
    """The files mix latin-1 and Windows-1252: its quotes and dashes are control codes in latin-1."""
    try:
        return text.encode("latin-1").decode("cp1252")
    except UnicodeDecodeError:
        return "".join(c for c in text if c.isprintable())


def build(ratings: Path, out: Path, work: Path) -> Project:
    """Read the CSV files as any user's, and make the project folder."""
    files = write_sources(ratings, work / "reviews-source")
    options = ReadOptions(
        label_column="label", content_column="text", id_column="id", split_column="", classes=LABELS
    )
    dataset = read_source({split: str(path) for split, path in files.items()}, options)
    return Project.create(out, "Reviews", dataset, "minilm", target_split="electronics_valid")
