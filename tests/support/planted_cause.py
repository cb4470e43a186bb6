"""A project in which a kind of training rows was labelled wrong and pushes test items with it."""

import numpy as np
import pandas as pd

from influence_core.data.options import ReadOptions
from influence_core.workflow.projects.create import NewProject, create
from influence_core.workflow.train.head import TrainOptions, train

KIND, BAD, CLASSES = 20, 18, ("cat", "dog", "owl")
PHRASE = "with a red collar"


def planted(home, name="planted", epochs=40):
    """The trained project; ids of the 18 rows of a kind of cats that are labelled dog.

    A class is a few clouds of 60 rows; the kind is a cloud of 20, of which 18 have the wrong label,
    and so has each of its sentences the phrase. Eight items of the kind are in the test split.
    """
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(7, 12)) * 2.2
    for split, each, kind in (("train", 60, KIND), ("valid", 10, 0), ("test", 20, 8)):
        own = np.concatenate([np.repeat(np.arange(6), each), np.full(kind, 6)])
        true = np.array(["cat", "cat", "dog", "dog", "owl", "owl", "cat"])[own]
        given = true.copy()
        if split == "train":
            given[-BAD:] = "dog"
        x = centres[own] + rng.normal(size=(len(own), 12))
        frame = pd.DataFrame(
            {
                "id": [f"{split}-{i}" for i in range(len(own))],
                "text": [
                    f"animal number {i}{f' {PHRASE}' if o == 6 else ''} seen"
                    for i, o in enumerate(own)
                ],
                "kind": own.astype(str),
                "label": given,
            }
        )
        frame.to_csv(home / f"{split}.csv", index=False)
        np.save(home / f"{split}.npy", x.astype(np.float32))
    files = {f"{s}features": str(home / f"{n}.npy") for s, n in
             (("", "train"), ("valid_", "valid"), ("test_", "test"))}  # fmt: skip
    request = NewProject(
        str(home / "train.csv"), str(home / "valid.csv"), str(home / "test.csv"), name,
        options=ReadOptions(**files),
    )  # fmt: skip
    project = create(request, home)
    train(project, TrainOptions(4, 32, epochs=epochs, device="cpu", size="lean"))
    return project, {f"train-{i}" for i in range(360 + KIND - BAD, 360 + KIND)}
