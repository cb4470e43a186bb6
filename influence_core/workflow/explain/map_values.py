"""What the map shows of one open item: where it would lie, and what every row did to it."""

import numpy as np
import numpy.typing as npt
import torch

from influence_core.influence.scan import mean_influence
from influence_core.workflow.explain.explain import ExplainOptions, Item, asked_label
from influence_core.workflow.session import Session

_CHUNK = 4096


def nearest_on_map(
    session: Session, item: Item, positions: npt.NDArray[np.int64], k: int = 1
) -> npt.NDArray[np.int64]:
    """Indices into `positions` of the rows most like the item, nearest first: cosine similarity.

    UMAP gives a place to rows that it has seen. An item of another split is drawn beside its
    nearest training row, which is exact where it can be checked and needs no stored model.
    """
    wanted = item.features / item.features.norm().clamp_min(1e-12)
    index = torch.as_tensor(np.asarray(positions, dtype=np.int64))
    similar = []
    for start in range(0, len(index), _CHUNK):
        rows = session.features.rows(index[start : start + _CHUNK])  # (n, d)
        similar.append((rows @ wanted) / rows.norm(dim=1).clamp_min(1e-12))
    found: npt.NDArray[np.int64] = torch.cat(similar).topk(min(k, len(index))).indices.cpu().numpy()
    return found


def influence_on(session: Session, item: Item, options: ExplainOptions) -> npt.NDArray[np.float32]:
    """Influence (N,) of every training row on the item, positive helped."""
    label = asked_label(item, options.toward)
    targets = session.targets(item.features[None], torch.tensor([label]))
    query = session.prepared(options.of_run(session).estimator).query(targets)
    return mean_influence(query, len(session.evidence))[0]
