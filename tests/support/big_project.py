"""A synthetic project of any size: sentences, features drawn around their class, a small run.

    python tests/support/big_project.py FOLDER ROWS CLASSES

Nothing is encoded: features are written in the form that `models.features` leaves behind.
"""

import json
import sys
from pathlib import Path

import numpy as np

from influence_core.data.build import build_dataset
from influence_core.store.project import Project
from influence_core.workflow.train.head import TrainOptions, train

SMALL = TrainOptions(members=4, width=64, epochs=2)
FINGERPRINT = "synthetic" * 7


def big_project(root, rows=50_000, classes=10, dim=384, noise=0.05, seed=0, options=SMALL):
    """Make it, train it, and return it opened again.

    Args:
        root: folder. rows: training rows; test has a tenth of them, at most 2,000.
        classes, dim: of labels and features. noise: share of wrong training labels.
        options: of the run; None for no run.
    """
    rng = np.random.default_rng(seed)
    names = [f"class {c:03d}" for c in range(classes)]
    centres = rng.normal(size=(classes, dim)).astype(np.float32)
    parts, features = {}, {}
    for split, size in (("train", rows), ("test", max(20, min(2000, rows // 10)))):
        true = np.concatenate([np.arange(classes), rng.integers(0, classes, size - classes)])
        given = true.copy()
        if split == "train":
            wrong = rng.random(size) < noise
            given[wrong] = rng.integers(0, classes, wrong.sum())
        # Centres a little apart: some rows are hard, as in life.
        features[split] = (0.18 * centres[true] + rng.normal(size=(size, dim))).astype(np.float16)
        parts[split] = {
            "text": [f"{split} sentence {i} about {names[y]}" for i, y in enumerate(true)],
            "label": given.tolist(),
            "id": [f"{split}-{i}" for i in range(size)],
        }
    made = Project.create(Path(root), Path(root).name, build_dataset(parts, names), "minilm")
    made = made.with_settings(encoder_fingerprint=FINGERPRINT)
    for split, values in features.items():
        path = made.features_path(split)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, values)
        card = {
            "split": split, "rows": len(values), "dim": dim, "encoder_fingerprint": FINGERPRINT,
            "dataset_fingerprint": made.fingerprint, "done": len(values), "items": len(values),
        }  # fmt: skip
        path.with_suffix(".json").write_text(json.dumps(card))
    if options is not None:
        train(made, options)
    return Project.open(made.root)


if __name__ == "__main__":
    big_project(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
