"""Edits of a data set of any kind, and what they must leave."""

import datasets
from edits import Why, make_edits
from kinds import reviews

WHY = Why("flipped-ridge", who="ada")


def edits_of(dataset, split="train"):
    """Remove the first row of a split, relabel the second."""
    rows = dataset.split(split)
    new = dataset.classes[1 - int(rows.labels[1])]
    return make_edits(dataset, {int(rows.keys[0]): None, int(rows.keys[1]): new}, WHY, split)


def expected(edits, table):
    """The oracle: the same edits in pandas, by record of the source."""
    table = table.copy()
    for edit in edits:
        table.loc[edit.row, "label"] = edit.new_label
    return table.drop([e.row for e in edits if e.new_label is None]).reset_index(drop=True)


def saved(folder, **splits):
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    made = {}
    for name, rows in splits.items():
        table = reviews(rows, start=10 * len(name)).drop(columns="stars")
        made[name] = datasets.Dataset.from_pandas(table, preserve_index=False).cast(features)
    datasets.DatasetDict(made).save_to_disk(str(folder))
    return folder
