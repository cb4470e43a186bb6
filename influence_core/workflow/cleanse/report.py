"""A kept cleansing with what was measured about it, as the page that is sent to a colleague."""

import numpy as np

from influence_core.cleansing.choose import class_changes, warnings_of
from influence_core.cleansing.verdict import Difference
from influence_core.errors import DataError
from influence_core.store.exports.edits import Edit
from influence_core.store.project import Project
from influence_core.workflow.cleanse.cleansings import Cleansing, load_cleansing
from influence_core.workflow.cleanse.report_charts import Curve
from influence_core.workflow.cleanse.report_page import (
    ArmResult,
    CleansingReport,
    Example,
)
from influence_core.workflow.cleanse.score import history
from influence_core.workflow.cleanse.trial import ARMS, CLEANSED, NONE, Trial
from influence_core.workflow.cleanse.trials import kept_sweep, kept_trial, selection_of_edits

EXAMPLES = 12


def cleansing_report(project: Project, name: str, number: int | None = None) -> CleansingReport:
    """Everything that is known about a cleansing, in plain values for `report_page`.

    Args:
        project: whose. name: of the cleansing. number: of a round, None for the one taken.

    Raises:
        StoreError: it cannot be read. DataError: no such round.
    """
    found = load_cleansing(project, name)
    edits = found.edits(number)
    train = project.dataset.train
    selection = selection_of_edits(project, edits)
    labels = np.asarray(train.labels)
    changes = class_changes(labels, selection, project.dataset.classes)
    one_shot = not found.rounds and bool(found.computed)
    tried = kept_trial(project, name, number)
    return CleansingReport(
        title=f"Cleansing of {project.name}",
        verdicts=_verdicts(tried, found.target.split),
        facts=_facts(project, name, found, edits),
        warnings=warnings_of(selection, changes, len(labels), one_shot=one_shot),
        results=() if tried is None else _results(tried),
        slices=() if tried is None else _slices(tried, found.target.split),
        curves=_curves(project, name),
        classes=changes,
        examples=_examples(project, edits),
        history=_history(project),
    )


def _verdicts(tried: Trial | None, target: str) -> list[str]:
    if tried is None:
        return ["Not tried yet: whether this helps is not known."]
    return [
        sentence + (" This split chose the rows." if split == target else "")
        for split, sentence in tried.verdicts.items()
    ]


def _facts(
    project: Project, name: str, found: Cleansing, edits: tuple[Edit, ...]
) -> list[tuple[str, str]]:
    removed = sum(edit.action == "remove" for edit in edits)
    return [
        ("project", project.name),
        ("cleansing", name),
        ("run", found.run),
        ("target split", f"{found.target.split}, {found.target.part}"),
        ("estimator", found.estimator),
        ("chosen by", found.by),
        ("removed", f"{removed:,} of {len(project.dataset.train):,} rows"),
        ("relabelled", f"{len(edits) - removed:,} rows"),
        ("decided by people", f"{len(found.decided):,} of these"),
    ]


def _history(project: Project) -> list[tuple[str, str, str]]:
    return [
        (
            point.created[:16].replace("T", " "),
            f"{100 * point.accuracy:.1f} % of {point.split} right",
            point.words,
        )
        for point in history(project)
    ]


def _results(tried: Trial) -> list[ArmResult]:
    out = []
    for (split, arm), group in tried.table.groupby(["split", "arm"], sort=False):
        difference = None
        if arm == CLEANSED:
            against = tried.differences[str(split)][0]
            difference = (100 * against.mean, 100 * against.low, 100 * against.high)
        elif arm != NONE:
            base = tried.table[(tried.table["split"] == split) & (tried.table["arm"] == NONE)]
            gap = 100 * (group["accuracy"].to_numpy() - base["accuracy"].to_numpy())
            spread = 1.96 * float(gap.std(ddof=1)) / len(gap) ** 0.5
            difference = (float(gap.mean()), float(gap.mean()) - spread, float(gap.mean()) + spread)
        accuracies = (100 * group["accuracy"]).tolist()
        out.append(ArmResult(str(split), ARMS.get(str(arm), str(arm)), accuracies, difference))
    return out


def _slices(tried: Trial, target: str) -> list[tuple[str, str, str, str, str]]:
    """A line a saved slice: what it is, its items, before, after, and the change with interval."""
    return [
        (
            f"{one.name} ({one.split}{', which chose the rows' * (one.split == target)})",
            f"{one.items:,}",
            f"{100 * one.before:.1f}",
            f"{100 * one.after:.1f}",
            _points(one.change),
        )
        for one in tried.slices
    ]


def _points(change: Difference) -> str:
    mean, low, high = (100 * value for value in (change.mean, change.low, change.high))
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})" if np.isfinite(low) else f"{mean:+.1f}"


def _curves(project: Project, name: str) -> list[Curve]:
    table = kept_sweep(project, name)
    if table is None:
        return []
    out = []
    for (split, arm), group in table.groupby(["split", "arm"], sort=False):
        x, y, spread = (
            100 * group[column].to_numpy(dtype=float) for column in ("share", "accuracy", "stdev")
        )
        points = [
            (float(a), float(b), float(b - c), float(b + c))
            for a, b, c in zip(x, y, spread, strict=True)
        ]
        out.append(Curve(f"{split}: {ARMS.get(str(arm), arm)}", points))
    return out


def _examples(project: Project, edits: tuple[Edit, ...]) -> list[Example]:
    train = project.dataset.train
    worst = sorted(edits, key=lambda e: e.score if e.score is not None else 0.0)[:EXAMPLES]
    out = []
    for edit in worst:
        position = train.position(edit.key)
        content: str | bytes
        if train.content_column == "text":
            content = train.texts([position])[0]
        else:
            try:
                content = train.image_bytes(position)
            except DataError:
                content = "the picture cannot be read"
        out.append(
            Example(
                edit.id, content, edit.old_label or "", edit.new_label, edit.score, edit.stderr,
                edit.reason,
            )
        )  # fmt: skip
    return out
