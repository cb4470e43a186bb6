"""Training rows as items: judged by their flipped side, the units that never saw them.

The whole network has learned a training row, so it is right about most of them, wrong labels too.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from influence_core.workflow.session import Session


def judged_by(split: str | None) -> str:
    """Which side of the network the probabilities of an item come from, for people."""
    return "its flipped side, which never saw it" if split == "train" else "the full network"


def flipped_predictions(session: Session) -> pd.DataFrame:
    """One line a training row, in the columns of the table of another split."""
    table = session.run.table("rows").rename(
        columns={
            "flipped_predicted": "predicted",
            "flipped_confidence": "confidence",
            "flipped_label": "p_label",
        }
    )
    return table[["key", "label", "predicted", "confidence", "p_label"]]


def flipped_proba(session: Session, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Class probabilities (T, C) of training rows.

    The run stores them in 16 bits, where close ones become equal; the most probable class is that
    of the run's table.
    """
    rows = session.run.table("rows").iloc[positions]
    most = rows["flipped_confidence"].to_numpy(np.float32)[:, None]
    stored = session.evidence.flipped[torch.from_numpy(positions)].float().cpu().numpy()
    proba: npt.NDArray[np.float32] = np.minimum(stored, np.nextafter(most, np.float32(0)))
    np.put_along_axis(proba, rows["flipped_predicted"].to_numpy(np.int64)[:, None], most, axis=1)
    return proba
