"""Exports of every kind of file: the source without edits, with them only what was decided."""

import pandas as pd
import pytest
from edits import Why, make_edits

from influence_core.store.exports.export import export
from influence_core.store.exports.manifest import manifest_path
from influence_core.store.exports.revert import revert
from influence_core.workflow.projects.create import NewProject, create

WHY = Why("flipped-ridge", who="ada")


def frame(rows=24, start=0):
    numbers = range(start, start + rows)
    return pd.DataFrame(
        {
            "text": [f'Film {i}, "so" to speak\n😀' for i in numbers],
            "label": [["neg", "pos"][i % 2] for i in numbers],
        }
    )


def edits_of(dataset):
    """Remove the first training row, relabel the second."""
    train = dataset.train
    new = dataset.classes[1 - int(train.labels[1])]
    return make_edits(dataset, {int(train.keys[0]): None, int(train.keys[1]): new}, WHY)


def expected(edits, table):
    """The oracle: the same edits in pandas, by record of the source."""
    table = table.copy()
    for edit in edits:
        table.loc[edit.row, "label"] = edit.new_label
    return table.drop([e.row for e in edits if e.new_label is None]).reset_index(drop=True)


WRITE = {"csv": pd.DataFrame.to_csv, "parquet": pd.DataFrame.to_parquet}
READ = {"csv": pd.read_csv, "parquet": pd.read_parquet}


@pytest.mark.parametrize(
    ("train", "valid", "test"),
    [("csv", None, "parquet"), ("parquet", "csv", None), ("csv", "csv", "parquet"),
     ("parquet", "parquet", "csv")],
)  # fmt: skip
def test_each_split_may_be_of_another_kind(tmp_path, train, valid, test):
    given = {"train": train, "valid": valid, "test": test}
    files = {split: tmp_path / f"{split}.{kind}" for split, kind in given.items() if kind}
    for number, (split, path) in enumerate(files.items()):
        WRITE[given[split]](frame(start=100 * number), path, index=False)
    parts = {split: str(path) for split, path in files.items() if split != "train"}
    request = NewProject(str(files["train"]), name="mixed", **parts)
    project, _ = create(request, tmp_path / "home")
    kinds = {split: file.kind for split, file in project.dataset.source.files.items()}
    assert {split: kinds[split] for split in files} == {s: given[s] for s in files}
    edits = edits_of(project.dataset)
    out = tmp_path / f"clean.{train}"
    export(project.dataset, edits, out)
    pd.testing.assert_frame_equal(READ[train](out), expected(edits, frame()))
    revert(manifest_path(out, folder=False), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == files["train"].read_bytes()
