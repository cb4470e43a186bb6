"""Planted causes of a confusion cell: whether they are found, and whether Verify says so.

    python -m benchmarks.causes [--seeds 5] [--sets fashion reviews]

*fashion*: the 40 rows most like a random one of a class get another label. *reviews*: 40 positive
sentences get a phrase of their own and the label negative, and 40 positive test sentences get the
phrase. A lean head is trained on it, and the causes of the cell that this fills are found as
`turnover causes` finds them. A cause counts as the planted one if at least 80 % of its rows are.
Then 200 made-up items among 50,000 rows x 384 in ten classes, by the ridge, in CPU seconds of this
process and by the clock, which other work on the machine makes useless. Writes
`benchmarks/causes.md`.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from influence_core.cleansing.kinds import kinds
from influence_core.data.options import ReadOptions
from influence_core.influence.base import Evidence, Targets
from influence_core.influence.estimators.ridge import FLIPPED_RIDGE
from influence_core.installed import sample_root
from influence_core.models.encoders import load_encoder
from influence_core.store.project import Project
from influence_core.training.features import Standardised
from influence_core.workflow.explain.groups.causes import MANY, Cause, causes_of
from influence_core.workflow.explain.groups.group import Group, group_positions, mean_scores
from influence_core.workflow.explain.proof.verify_cause import (
    VerifiedCause,
    question_of,
    verify_cause,
)
from influence_core.workflow.projects.create import NewProject, create
from influence_core.workflow.session import Session, open_session
from influence_core.workflow.train.head import TrainOptions, train

OUT = Path(__file__).with_suffix(".md")
PLANTED, PURE, FIRST = 40, 0.8, 3
ROWS, FEATURES, CLASSES, ERRORS = 50_000, 384, 10, 200
CELLS = (
    ("Shirt", "Coat"), ("Pullover", "Coat"), ("Coat", "Pullover"), ("Dress", "Shirt"),
    ("Sneaker", "Sandal"),
)  # fmt: skip
PHRASES = (
    "I saw it in a green barn", "my neighbour lent me this", "as told on the night train",
    "bought at the harbour market", "my cousin played the drums",
)  # fmt: skip
SPLITS = ("train", "valid", "test")


@dataclass
class Rows:
    """One split of a sample, to be changed: features (n, d), class names, texts if there are."""

    x: np.ndarray
    labels: np.ndarray
    gold: np.ndarray
    texts: list[str] | None


def sample(name: str) -> dict[str, Rows]:
    """A sample's rows with their features."""
    root = sample_root()
    assert root is not None
    project, out = Project.open(root / name), {}
    for split in SPLITS:
        data = project.dataset.split(split)
        labels = np.array(project.dataset.classes)[data.labels]
        known = "gold" in data.extra_columns
        gold = np.array([str(one) for one in data.extra("gold")]) if known else labels
        texts = data.texts() if data.content_column == "text" else None
        out[split] = Rows(np.asarray(project.features(split), np.float32), labels, gold, texts)
    return out


def plant_kind(rows: dict[str, Rows], seed: int) -> tuple[str, str, np.ndarray]:
    """Another label for one kind of pictures: true class, wrong class, positions."""
    true, wrong = CELLS[seed % len(CELLS)]
    part = rows["train"]
    own = np.flatnonzero((part.labels == true) & (part.gold == true))
    unit = (part.x[own] - part.x.mean(0)) / (part.x.std(0) + 1e-6)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    middle = np.random.default_rng(seed).integers(len(own))
    kind = own[np.argsort(-(unit @ unit[middle]), kind="stable")[:PLANTED]]
    part.labels[kind] = wrong
    return true, wrong, kind


def plant_phrase(rows: dict[str, Rows], seed: int) -> tuple[str, str, np.ndarray]:
    """A phrase for positive sentences, which are labelled negative where they are learned from."""
    encoder = load_encoder("minilm")
    rng, phrase = np.random.default_rng(seed), PHRASES[seed % len(PHRASES)]
    chosen = {}
    for split in ("train", "test"):
        part = rows[split]
        assert part.texts is not None
        right = np.flatnonzero((part.labels == "positive") & (part.gold == "positive"))
        chosen[split] = rng.permutation(right)[:PLANTED]
        for place in chosen[split]:
            part.texts[place] = f"{part.texts[place]} {phrase}."
        part.x[chosen[split]] = encoder.encode([part.texts[p] for p in chosen[split]])
    rows["train"].labels[chosen["train"]] = "negative"
    return "positive", "negative", chosen["train"]


PLANT = {"fashion": plant_kind, "reviews": plant_phrase}
BEGIN = {"fashion": 0, "reviews": 5}  # seeds; 0 to 4 were looked at while phrases were put together


def project_of(
    rows: dict[str, Rows],
    home: Path,
    options: TrainOptions,
    shops: dict[str, np.ndarray] | None = None,
) -> Session:
    """A trained project of these rows, on their features; `shops` is a column beside them."""
    for split, part in rows.items():
        frame = pd.DataFrame({"id": [f"{split}-{i}" for i in range(len(part.x))]})
        frame["label"] = part.labels
        if shops is not None:
            frame["shop"] = shops[split]
        if part.texts is not None:
            frame["text"] = part.texts
        frame.to_csv(home / f"{split}.csv", index=False)
        np.save(home / f"{split}.npy", part.x)
    source, valid, test = (str(home / f"{split}.csv") for split in SPLITS)
    own = ReadOptions(
        features=str(home / "train.npy"), valid_features=str(home / "valid.npy"),
        test_features=str(home / "test.npy"), id_column="id", label_column="label",
    )  # fmt: skip
    project = create(NewProject(source, valid, test, "planted", options=own), home)
    train(project, options)
    return open_session(project)


def planted_case(name: str, seed: int) -> str:
    """One line of the table."""
    rows = sample(name)
    true, wrong, places = PLANT[name](rows, seed)
    planted = {f"train-{place}" for place in places}
    with tempfile.TemporaryDirectory() as folder:
        session = project_of(rows, Path(folder), TrainOptions.of_size("lean", seed=seed))
        items = group_positions(session, Group("test", (true,), (wrong,)))
        found = causes_of(session, "test", items)
        ids = session.project.dataset.train.ids
        pure = [np.mean([ids[p] in planted for p in cause.positions]) for cause in found.found]
        rank = next((i for i, share in enumerate(pure[:FIRST]) if share >= PURE), None)
        cell = f"| {name} | {seed} | {true} → {wrong} | {len(items)} "
        if rank is None:
            best = ", ".join(
                f"{len(c)} rows {p:.0%}" for c, p in zip(found.found, pure, strict=True)
            )
            return f"{cell}| not found ({best}) | | | | | | |"
        cause = found.found[rank]
        proof = verified(session, items, cause)
        return (
            f"{cell}| {rank + 1} | {len(cause)} | {pure[rank]:.0%} | {cause.share:.0%} "
            f"| {_points(proof, 'changed')} | {_points(proof, 'random')} "
            f"| {_points(proof, 'beyond')} | {'yes' if proof.helps else 'no'} |"
        )


def verified(session: Session, items: np.ndarray, cause: Cause) -> VerifiedCause:
    """Retrained without its rows."""
    data = session.project.dataset
    keys = data.split("test").keys[items].tolist(), data.train.keys[cause.positions].tolist()
    return verify_cause(session, question_of("test", *keys))


def _points(proof: VerifiedCause, name: str) -> str:
    found = getattr(proof.group, name)
    return f"{100 * found.mean:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


def timed() -> Iterator[str]:
    """Lines of the table of times: the run made ready, then two questions."""
    rng, draw = np.random.default_rng(0), torch.Generator().manual_seed(0)
    labels = rng.integers(0, CLASSES, ROWS)
    centres = 0.16 * rng.standard_normal((CLASSES, FEATURES), dtype=np.float32)
    noise = rng.standard_normal((ROWS, FEATURES), dtype=np.float32)
    x = Standardised.fit((centres[labels] + noise).astype(np.float16))
    flipped = torch.softmax(2 * torch.randn(ROWS, CLASSES, generator=draw), 1)
    evidence = Evidence(x, torch.from_numpy(labels), torch.arange(ROWS), flipped)
    asked = torch.randint(0, CLASSES, (ERRORS,), generator=draw)
    proba = torch.softmax(torch.randn(ERRORS, CLASSES, generator=draw), 1)
    targets = Targets(torch.randn(ERRORS, FEATURES, generator=draw), asked, proba)
    began = _now()
    prepared = FLIPPED_RIDGE.prepare(evidence)
    yield f"| once a run, which a page does when it opens | {_since(began)} | |"
    for what in ("first question, with what it loads", "next question"):
        began = _now()
        score = mean_scores(prepared, targets, ROWS)
        strongest = np.argsort(-score, kind="stable")[:MANY]
        listed = _since(began)
        kinds(x.rows(torch.from_numpy(strongest)).numpy(), score[strongest])
        yield f"| {what} | {listed} | {_since(began)} |"


def _now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def _since(began: tuple[float, float]) -> str:
    """CPU seconds, and those of the clock."""
    used, took = (now - then for now, then in zip(_now(), began, strict=True))
    return f"{used:.2f} ({took:.2f})"


def table(names: Sequence[str], seeds: int) -> Iterator[str]:
    """The file, a line at a time."""
    times = [*timed()]  # first, so that what a first question loads is not loaded yet
    yield f"# Planted causes ({PLANTED} rows; `python -m benchmarks.causes`)\n"
    yield (
        "| sample | seed | cell | errors | place among the causes | rows | of them planted "
        "| of the push | accuracy on the cell without them, points (95 %) | without random rows "
        "| beyond random rows | verified |"
    )
    yield "|---" * 12 + "|"
    for name in names:
        for seed in range(BEGIN[name], BEGIN[name] + seeds):
            yield planted_case(name, seed)
    yield f"\n# {ERRORS} errors, {ROWS:,} rows x {FEATURES}: CPU seconds (by the clock)\n"
    yield f"| | first list | with {MANY} rows sorted into causes |\n|---|---|---|"
    yield from times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", nargs="*", choices=[*PLANT], default=[*PLANT])
    asked = parser.parse_args()
    lines = []
    for line in table(asked.sets, asked.seeds):
        print(line, flush=True)
        lines.append(line)
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
