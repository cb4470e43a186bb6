"""Tables whose columns are to be recognised."""

import pyarrow as pa

from influence_core.data.columns import detect_columns
from influence_core.data.options import ReadOptions

FILM = "The camera work and the opening of film {} were lovely."


def table(n=40, **columns):
    """Rows of texts and labels, and other columns by a function of the row."""
    made = {"text": [FILM.format(i) for i in range(n)], "label": ["ab"[i % 2] for i in range(n)]}
    made |= {name: [value(i) for i in range(n)] for name, value in columns.items()}
    return pa.table({name: values for name, values in made.items() if values[0] != "drop me"})


def roles(found, **options):
    return detect_columns(found, ReadOptions(**options), "films.csv")


def texts(**columns):
    made = table(**columns).drop_columns("text")
    return roles(made)


def url(i):
    return (
        f"https://example.org/articles/2024/05/{i}/a-very-long-permalink-that-says-nothing-at-all"
    )


PICS = [f"pics/{c}/{i}.png" for c in ("circle", "square") for i in range(10)]
