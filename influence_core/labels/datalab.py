"""What cleanlab's Datalab says of rows beside their labels: imbalance, outliers, a telling order.

Called by `workflow.projects.checking`; pure, no disk.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from influence_core.labels.neighbours import NEIGHBOURS

Rows = npt.NDArray[np.int64]
# By chance one data set in a hundred has an order that says something.
SIGNIFICANT = 0.01


@dataclass(frozen=True)
class Oddities:
    """Positions of odd rows, ascending.

    Attributes:
        rarest: rows of the rarest class, if it has less than a tenth of an even share.
        outliers: rows unlike all others; None without features.
        ordered: whether rows that stand near each other are alike, as if they were sorted; None
            without features.
    """

    rarest: Rows
    outliers: Rows | None
    ordered: bool | None


def oddities(
    labels: npt.NDArray[np.int64], features: npt.NDArray[np.floating] | None = None
) -> Oddities:
    """Ask Datalab.

    Args:
        labels: (N,), -1 for none: such rows are passed over; at least one row has a label.
        features: (N, d) of the rows; too few rows to have neighbours count as none.
    """
    from cleanlab import Datalab

    known = np.flatnonzero(labels >= 0)
    _, compact = np.unique(labels[known], return_inverse=True)
    enough = features is not None and len(known) > 2 * NEIGHBOURS
    asked = {"outlier": {}, "non_iid": {"significance_threshold": SIGNIFICANT}} if enough else {}
    lab = Datalab({"label": compact}, label_name="label", verbosity=0)
    lab.find_issues(
        features=_standard(features[known]) if features is not None and enough else None,
        issue_types={"class_imbalance": {}, **asked},
    )

    def rows(name: str) -> Rows:
        found: Rows = known[lab.get_issues(name)[f"is_{name}_issue"].to_numpy()]
        return found

    return Oddities(
        rows("class_imbalance"),
        rows("outlier") if enough else None,
        bool(lab.get_info("non_iid")["p-value"] < SIGNIFICANT) if enough else None,
    )


def _standard(features: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Each column around its mean in units of its deviation: Datalab compares directions."""
    values = np.asarray(features, np.float32)
    deviation = values.std(0)
    out: npt.NDArray[np.float32] = (values - values.mean(0)) / np.where(deviation > 0, deviation, 1)
    return out
