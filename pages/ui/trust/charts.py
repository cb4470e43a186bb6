"""Pictures of an evaluation: estimators beside the noise ceiling, and what removal does."""

import pandas as pd
import plotly.graph_objects as go

from influence_core.workflow.results import ESTIMATORS

# kind of item: mark, line of its ceiling, colour that reads on light and dark
KINDS = {
    "misclassified": ("circle", "dash", "#2563eb"),
    "random": ("diamond", "dot", "#d97706"),
}
CEILING, RANDOM = "ceiling", "random"
# A shape for each estimator, so that nobody needs its colour.
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "star", "triangle-down")
SHIFT = 0.13  # of a line, up and down, so that the two intervals do not hide each other


def comparison(
    table: pd.DataFrame,
    title: str = "Agreement with retraining on random halves (LDS)",
    measure: str = "lds",
) -> go.Figure:
    """LDS of each estimator by kind of target; the ceiling that none can exceed as a line each.

    Args:
        table: `eval-estimators` as stored with a run, the ceiling among its lines, if there is one.
        title: of the axis.
        measure: "lds", or "qld" for the table of that name.
    """
    own = table[table["estimator"] != CEILING]
    own = own.assign(mean=own[[f"{measure}_{kind}" for kind in KINDS]].mean(axis=1))
    own = own.sort_values("mean", ascending=False)
    ceiling = table[table["estimator"] == CEILING]
    figure = go.Figure()
    for number, (kind, (symbol, dash, colour)) in enumerate(KINDS.items()):
        figure.add_scatter(
            x=own[f"{measure}_{kind}"],
            y=[line + SHIFT * (2 * number - 1) for line in range(len(own))],
            name=f"{kind} items",
            mode="markers",
            error_x={"type": "data", "array": own[f"half_{kind}"]},
            marker={"size": 10, "symbol": symbol, "color": colour},
        )
        for limit in ceiling[f"{measure}_{kind}"].dropna():
            figure.add_vline(
                x=limit,
                line={"dash": dash, "width": 1.5, "color": "gray"},
                annotation={
                    "text": f"ceiling, {kind}",
                    "yanchor": "bottom",
                    "y": 1.0 + 0.07 * number,
                    "xanchor": "right",
                },
            )
    figure.update_layout(
        height=170 + 34 * len(own),
        margin={"l": 0, "r": 0, "t": 48 if len(ceiling) else 8, "b": 0},
        xaxis={"title": title},
        yaxis={
            "autorange": "reversed",
            "tickvals": list(range(len(own))),
            "ticktext": [_title(name) for name in own["estimator"]],
        },
        legend={"orientation": "h", "y": -0.28},
    )
    return figure


def removal(table: pd.DataFrame) -> go.Figure:
    """Rise of the loss after leaving out the most helpful rows; random rows are the baseline.

    Args:
        table: `eval-removal` as stored with a run.
    """
    figure = go.Figure()
    for number, (name, points) in enumerate(table.groupby("estimator", sort=False)):
        baseline = name == RANDOM
        figure.add_scatter(
            x=points["removed"],
            y=points["rise"],
            name="random rows" if baseline else _title(str(name)),
            mode="lines+markers",
            marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 9},
            line={"dash": "dot", "color": "gray"} if baseline else {},
            error_y={"type": "data", "array": points["half"], "thickness": 1},
        )
    sizes = sorted(table["removed"].unique())
    figure.update_layout(
        height=380,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis={"title": "rows left out", "type": "log", "tickvals": sizes, "ticktext": sizes},
        yaxis={"title": "rise of the loss, nats"},
    )
    return figure


def _title(name: str) -> str:
    """What menus call an estimator; one that a later version measured has its name."""
    return ESTIMATORS[name].title if name in ESTIMATORS else name
