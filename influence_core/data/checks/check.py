"""All checks of a data set, worst finding first.

The wizard reads with `bad_rows="keep"` and shows these findings; the command line prints them. An
"error" stops training, a "warning" makes results doubtful, a "note" is good to know.
"""

import threading
from collections.abc import Callable

from influence_core.data.checks.contents import (
    copies,
    empty_texts,
    missing_splits,
    repeated_ids,
    unreadable_images,
)
from influence_core.data.checks.finding import SEVERITIES, Finding, Found
from influence_core.data.checks.groups import groups_on_both_sides
from influence_core.data.checks.labels import (
    missing_labels,
    one_class_in_two_spellings,
    rare_classes,
    several_labels_a_row,
    too_few_classes,
    words_for_missing,
)
from influence_core.data.checks.looks import looks_of
from influence_core.data.checks.near import near_copies
from influence_core.data.checks.quality import odd_looks
from influence_core.data.checks.shortcuts import shortcuts
from influence_core.data.dataset import Dataset
from influence_core.progress import ProgressFn

CHECKS: tuple[Callable[[Dataset], Found], ...] = (
    missing_labels,
    empty_texts,
    too_few_classes,
    repeated_ids,
    several_labels_a_row,
    one_class_in_two_spellings,
    words_for_missing,
    copies,
    groups_on_both_sides,
    rare_classes,
    missing_splits,
    shortcuts,
)


def check_dataset(
    dataset: Dataset,
    *,
    images: bool = True,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> list[Finding]:
    """Look for everything that `CHECKS` knows, worst first.

    Args:
        dataset: best read with `bad_rows="keep"`.
        images: decode every picture too, which takes about a millisecond each.
        progress: hears how far that is.
        cancel: stops it.

    Raises:
        CancelledError: `cancel` was set.
    """
    found = [finding for check in CHECKS for finding in check(dataset)]
    if images and dataset.modality == "image":
        found += unreadable_images(dataset, progress, cancel)
        looks = looks_of(dataset, cancel)
        found += [*odd_looks(dataset, looks), *near_copies(dataset, looks, cancel)]
    elif dataset.modality == "text":
        found += near_copies(dataset, cancel=cancel)
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
