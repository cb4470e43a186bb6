"""A project of features alone: the rows of a table, their numbers, no text and no encoder."""

import numpy as np
import pandas as pd

from influence_core.data.options import ReadOptions
from influence_core.workflow.projects.create import NewProject, create
from influence_core.workflow.train.head import TrainOptions, train

ROWS, NAME = 240, "cells"


def cells(folder, rows=ROWS):
    """The CSV and the array of a made-up study in three classes; a tenth of the labels is wrong."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, rows)
    x = rng.normal(size=(rows, 5)) + 1.5 * np.eye(5)[true]
    wrong = rng.random(rows) < 0.1
    given = np.where(wrong, (true + 1) % 3, true)
    frame = pd.DataFrame(
        {
            "id": [f"cell-{i}" for i in range(rows)],
            "area": x[:, 0].round(2),
            "dye": rng.choice(["blue", "red"], rows),
            "label": np.array(["round", "long", "split"])[given],
        }
    )
    frame.to_csv(folder / "cells.csv", index=False)
    np.save(folder / "cells.npy", x.astype(np.float32))
    return folder / "cells.csv", folder / "cells.npy"


def trained(home, folder):
    """The project below `home`, trained for a moment."""
    source, features = cells(folder)
    options = ReadOptions(features=str(features))
    project = create(NewProject(str(source), name=NAME, options=options), home)
    train(project, TrainOptions(members=4, width=16, epochs=8, device="cpu"))
    return project
