"""The verb `map`: where the training rows lie, as two coordinates a row.

UMAP (McInnes, Healy and Melville 2018, https://arxiv.org/abs/1802.03426) of the encoder's features,
by umap-learn. It depends on data and encoder only, so it is computed once for all runs on them and
kept beside the features. At most `MOST` rows are drawn, the same share of every class. The pages
start it as a job, `turnover map` does the same by hand.
"""

import threading
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from influence_core.disk.atomic import atomic_file
from influence_core.disk.formats import VERSION, current, upgraded
from influence_core.errors import DataError, StoreError
from influence_core.progress import Progress, ProgressFn, check_cancel
from influence_core.store.project import Project
from influence_core.workflow.explain.items import Item
from influence_core.workflow.session import Session

MOST = 20_000  # points; more make a browser slow
NEIGHBOURS = 15
SEED = 0
_CHUNK = 4096  # rows compared with an item at a time
_STEPS = 3  # reading, UMAP, writing


def map_path(project: Project, encoder_fingerprint: str | None = None) -> Path:
    """The file of the map, existing or not."""
    return project.features_folder(encoder_fingerprint) / "map.parquet"


def read_map(project: Project, encoder_fingerprint: str | None = None) -> pd.DataFrame | None:
    """The map: `position` of the training row, `x` and `y`; None if there is none yet.

    Raises:
        StoreError: the file is damaged.
    """
    path = map_path(project, encoder_fingerprint)
    if not path.is_file():
        return None
    try:
        table = pd.read_parquet(path)
        upgraded("map", {VERSION: table.attrs.get(VERSION, 1)}, path)
        rows = table["position"].to_numpy()
        good = not len(rows) or 0 <= rows.min() <= rows.max() < project.header.splits["train"]
        if not good or not np.isfinite(table[["x", "y"]].to_numpy()).all():
            raise ValueError("its rows are not those of the data")
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            f"{path} is damaged ({error}); delete it and make it again with: turnover map "
            f"{project.root.name}"
        ) from error
    return table


def make_map(
    project: Project,
    *,
    encoder_fingerprint: str | None = None,
    most: int = MOST,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> pd.DataFrame:
    """Compute and keep the map, or read the one that is there.

    Args:
        project: with features of its training rows.
        encoder_fingerprint: the encoder; None means the one in the settings.
        most: points at most.
        progress: told after each step.
        cancel: looked at between the steps; UMAP itself cannot be stopped from inside.

    Raises:
        StoreError: there are no features yet, or the disk is full.
        DataError: there are fewer than three rows.
        CancelledError: nothing is kept then.
    """
    kept = read_map(project, encoder_fingerprint)
    if kept is not None:
        return kept

    def tell(done: int, what: str) -> None:
        check_cancel(cancel)
        if progress:
            progress(Progress("map", done, _STEPS, what))

    tell(0, "reading features")
    features = project.features("train", encoder_fingerprint)
    rows = stratified(np.asarray(project.dataset.train.labels), most)
    if len(rows) < 3:
        raise DataError(f"A map needs at least three training rows; there are {len(rows)}.")
    values = np.asarray(features[rows], dtype=np.float32)  # (n, dim)
    tell(1, f"placing {len(rows):,} rows")
    places = umap_places(values)
    tell(2, "writing")
    table = pd.DataFrame({"position": rows, "x": places[:, 0], "y": places[:, 1]})
    table.attrs[VERSION] = current("map")
    with atomic_file(map_path(project, encoder_fingerprint)) as temporary:
        # Positions ascend by small steps, so their differences take a tenth of the space.
        table.to_parquet(
            temporary, index=False, compression="zstd", use_dictionary=False,
            column_encoding={"position": "DELTA_BINARY_PACKED"},
        )  # fmt: skip
    tell(_STEPS, "done")
    return table


def stratified(labels: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """Positions of at most `most` rows, ascending: the same share of every class, one at least.

    Rows without a label, -1, count as a class. The choice is the same every time.
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    rng = np.random.default_rng(SEED)
    shuffled = rng.permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, first, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    rank = np.arange(len(labels)) - np.repeat(first, sizes)
    # The r-th of n rows of its class stands at share (r + 1/2) / n, the first before all others.
    share = np.where(rank == 0, 0.0, (rank + 0.5) / np.repeat(sizes, sizes))
    return np.sort(order[np.argsort(share, kind="stable")[:most]])


def umap_places(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(n, 2) coordinates of these features (n, d); the same on the same machine every time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # it misses TensorFlow, which nobody needs
        from umap import UMAP

    n = len(values)
    model = UMAP(
        n_neighbors=min(NEIGHBOURS, n - 1),
        metric="cosine",
        init="spectral" if n > 10 * NEIGHBOURS else "random",  # few rows have too few eigenvectors
        random_state=SEED,
        n_jobs=1,
    )
    places: npt.NDArray[np.float32] = model.fit_transform(values)
    return np.nan_to_num(places)  # a row that no other row is near is left without a place


def nearest_on_map(
    session: Session, item: Item, positions: npt.NDArray[np.int64], k: int = 1
) -> npt.NDArray[np.int64]:
    """Indices into `positions` of the rows most like the item, nearest first: cosine similarity.

    UMAP gives a place to rows that it has seen. An item of another split is drawn beside its
    nearest training row, which is exact where it can be checked and needs no stored model.
    """
    wanted = item.features / item.features.norm().clamp_min(1e-12)
    index = torch.from_numpy(np.array(positions, dtype=np.int64))
    similar = []
    for start in range(0, len(index), _CHUNK):
        rows = session.features.rows(index[start : start + _CHUNK])  # (n, d)
        similar.append((rows @ wanted) / rows.norm(dim=1).clamp_min(1e-12))
    found: npt.NDArray[np.int64] = torch.cat(similar).topk(min(k, len(index))).indices.cpu().numpy()
    return found
