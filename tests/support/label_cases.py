"""Tables whose labels are as people bring them; the text of a row says nothing but its number."""

import csv


def write(path, labels, texts=None, **columns):
    """A CSV with a column `text`, a column `label`, and others."""
    texts = (
        [f"The film number {i} was seen." for i in range(len(labels))] if texts is None else texts
    )
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label", *columns])
        rows.writerows(zip(texts, labels, *columns.values(), strict=True))
    return path


def cycled(names, rows=60):
    """So many rows of these labels in turn."""
    return [names[i % len(names)] for i in range(rows)]


def many_classes(classes=500, rows=600):
    """More classes than half of the rows."""
    return [f"task_{i % classes}" for i in range(rows)]
