"""A project in which a tenth of the rows, one value of a column, has many wrong labels."""

import numpy as np
import pandas as pd

from influence_core.data.options import ReadOptions
from influence_core.workflow.projects.create import NewProject, create
from influence_core.workflow.train.head import TrainOptions, train

BAD = "corner shop"
NOISE = 0.5


def planted_slice(home, noise=NOISE, epochs=20, sizes=(600, 200, 300)):
    """The trained project: three classes as clouds, `shop` a column, labels of one shop noisy."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 12)) * 1.4
    names = np.array(["cat", "dog", "owl"])
    for split, rows in zip(("train", "valid", "test"), sizes, strict=True):
        own = rng.integers(0, 3, rows)
        x = centres[own] + rng.normal(size=(rows, 12))
        shop = rng.choice([BAD, *(f"shop {i}" for i in range(9))], rows)
        wrong = (shop == BAD) & (rng.random(rows) < noise)
        given = np.where(wrong, (own + rng.integers(1, 3, rows)) % 3, own)
        frame = pd.DataFrame({
            "id": [f"{split}-{i}" for i in range(rows)],
            "text": [f"animal number {i} seen" for i in range(rows)],
            "shop": shop, "weight": rng.normal(size=rows), "label": names[given],
        })  # fmt: skip
        frame.to_csv(home / f"{split}.csv", index=False)
        np.save(home / f"{split}.npy", x.astype(np.float32))
    files = {f"{s}features": str(home / f"{n}.npy") for s, n in
             (("", "train"), ("valid_", "valid"), ("test_", "test"))}  # fmt: skip
    request = NewProject(
        str(home / "train.csv"), str(home / "valid.csv"), str(home / "test.csv"), "planted",
        options=ReadOptions(**files),
    )  # fmt: skip
    project = create(request, home)
    train(project, TrainOptions(4, 32, epochs=epochs, device="cpu", size="lean"))
    return project
