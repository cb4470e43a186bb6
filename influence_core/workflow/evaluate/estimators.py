"""Every estimator in words, with what an evaluation of the project has measured of it.

Called by `turnover estimators` and the Trust page.
"""

import pandas as pd

from influence_core.influence import ESTIMATORS
from influence_core.store.evaluations import read_evaluation
from influence_core.store.project import Project

MEASURED = {
    "lds_misclassified": "LDS on misclassified items",
    "lds_random": "LDS on random items",
    "seconds_per_target": "ms per item",
}
SAME = "LDS for this model"


def estimator_table(project: Project | None = None) -> pd.DataFrame:
    """One line an estimator: `estimator`, `title`, `explanation`, `source`, and figures.

    Args:
        project: whose evaluation is read; without one, or before it, there are no figures.

    Raises:
        StoreError: the record of the evaluation is damaged.
    """
    table = pd.DataFrame(
        {
            "estimator": entry.name,
            "title": entry.title,
            "explanation": entry.explanation.replace("\n", " "),
            "source": entry.source,
        }
        for entry in ESTIMATORS.values()
    )
    record = None if project is None else read_evaluation(project.root)
    if project is None or record is None:
        return table
    run = project.run(record.run)
    if not run.has_table("eval-estimators"):
        return table
    found = run.table("eval-estimators")[["estimator", *MEASURED]]
    found["seconds_per_target"] *= 1000.0
    table = table.merge(found.rename(columns=MEASURED), on="estimator", how="left")
    if not run.has_table("eval-same-estimators"):
        return table
    same = run.table("eval-same-estimators")
    same[SAME] = same[["lds_misclassified", "lds_random"]].mean(axis=1)
    return table.merge(same.groupby("estimator")[SAME].mean().reset_index(), how="left")
