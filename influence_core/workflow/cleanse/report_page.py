"""A cleansing on one page: a single HTML file to send to a colleague.

It holds everything itself (style, pictures, examples), loads nothing and runs nothing: a content
policy forbids both, and all text that came from data is escaped. `report` makes its plain values.
"""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import fmean, stdev

from influence_core.cleansing.choose import ClassChange
from influence_core.data.images import open_image
from influence_core.disk.atomic import write_text
from influence_core.errors import DataError
from influence_core.workflow.cleanse.report_charts import Curve, Dots, dot_plot, line_plot

SHOWN_CHARACTERS = 400
SHOWN_PIXELS = 160


@dataclass(frozen=True)
class ArmResult:
    """One arm on one split: accuracy in percent of each retraining, and how far it moved.

    `difference` is (mean, low, high) against all rows, in points; None for that arm itself.
    """

    split: str
    arm: str
    accuracies: Sequence[float]
    difference: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Example:
    """A changed row. `content` is its sentence or its encoded image; `new_label` None: removed."""

    id: str
    content: str | bytes
    old_label: str
    new_label: str | None
    score: float | None = None
    stderr: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class CleansingReport:
    """What the page says, from top to bottom.

    Attributes:
        title: of the page.
        verdicts: sentences, one per split that chose nothing.
        facts: name and value: project, run, estimator, target split, rows, when, by whom.
        warnings: sentences.
        results: per split and arm.
        slices: saved slices: which, items, accuracy in percent before and after, the change.
        curves: accuracy in percent over the share removed in percent; () for no such picture.
        classes: per class.
        examples: changed rows, the most harmful first.
        history: how decisions moved the score: when, the accuracy as given, and with them.
    """

    title: str
    verdicts: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    results: Sequence[ArmResult] = ()
    slices: Sequence[tuple[str, str, str, str, str]] = ()
    curves: Sequence[Curve] = ()
    classes: Sequence[ClassChange] = ()
    examples: Sequence[Example] = ()
    history: Sequence[tuple[str, str, str]] = ()


def report_html(report: CleansingReport) -> str:
    """The whole page as text."""
    body = [
        f"<h1>{escape(report.title)}</h1>",
        *(f'<p class="verdict">{escape(sentence)}</p>' for sentence in report.verdicts),
        _table(("", ""), report.facts, head=False),
        *(f'<p class="warning">{escape(sentence)}</p>' for sentence in report.warnings),
        *_history(report.history),
        *_results(report.results),
        *_slices(report.slices),
        *_curves(report.curves),
        *_classes(report.classes),
        *_examples(report.examples),
    ]
    return _PAGE.format(title=escape(report.title), style=_STYLE, body="\n".join(body))


def write_report(report: CleansingReport, path: Path) -> None:
    """Write the page in one step.

    Raises:
        StoreError: it cannot be written.
    """
    write_text(path, report_html(report))


def _history(points: Sequence[tuple[str, str, str]]) -> Iterable[str]:
    if points:
        yield "<h2>How the score moved</h2>"
        yield _table(("measured (UTC)", "as given", "with the decisions so far"), points)


def _results(results: Sequence[ArmResult]) -> Iterable[str]:
    if not results:
        return
    yield "<h2>Retrained and compared</h2>"
    for split in dict.fromkeys(result.split for result in results):
        here = [result for result in results if result.split == split]
        yield f"<h3>{escape(split)}</h3>"
        dots = [Dots(result.arm, result.accuracies) for result in here]
        yield dot_plot(dots, f"Accuracy on {split} of every retraining", "accuracy, %")
        lines = [
            (r.arm, _spread(r.accuracies), _interval(r.difference), str(len(r.accuracies)))
            for r in here
        ]
        yield _table(("", "accuracy, %", "against all rows, points", "retrainings"), lines)


def _slices(slices: Sequence[tuple[str, str, str, str, str]]) -> Iterable[str]:
    if slices:
        yield "<h2>Saved slices</h2>"
        yield "<p>Accuracy on each by itself: of twenty intervals one leaves 0 out by chance.</p>"
        heads = ("slice", "items", "all rows, %", "cleaned, %", "change, points (95 % interval)")
        yield _table(heads, slices)


def _curves(curves: Sequence[Curve]) -> Iterable[str]:
    if curves:
        yield "<h2>How much to remove</h2>"
        yield line_plot(curves, "Accuracy over the share removed", "removed, %", "accuracy, %")


def _classes(classes: Sequence[ClassChange]) -> Iterable[str]:
    if not classes:
        return
    yield "<h2>Classes</h2>"
    lines = [
        (
            f"{c.name} ⚠" if c.too_much else c.name,
            *(f"{n:,}" for n in (c.before, c.removed, c.relabelled_from, c.relabelled_to, c.after)),
        )
        for c in classes
    ]
    heads = ("class", "before", "removed", "relabelled to another", "relabelled to this", "after")
    yield _table(heads, lines)


def _examples(examples: Sequence[Example]) -> Iterable[str]:
    if not examples:
        return
    yield "<h2>Examples of changed rows</h2>"
    yield "<table><tr><th>row</th><th>label</th><th>influence</th><th>content</th></tr>"
    for example in examples:
        change = "removed" if example.new_label is None else f"→ {example.new_label}"
        score = "" if example.score is None else f"{example.score:.3g}"
        if score and example.stderr is not None:
            score += f" ± {example.stderr:.2g}"
        yield (
            f"<tr><td><bdi>{escape(example.id)}</bdi></td>"
            f"<td><bdi>{escape(example.old_label)}</bdi><br><bdi>{escape(change)}</bdi></td>"
            f"<td>{score}<br>{escape(example.reason)}</td><td>{_content(example)}</td></tr>"
        )
    yield "</table>"


def _content(example: Example) -> str:
    if isinstance(example.content, bytes):
        return _picture(example.content, example.id)
    text = example.content
    short = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
    return f'<bdi class="text">{escape(short)}</bdi>'


def _picture(data: bytes, name: str) -> str:
    """A small copy, encoded again: all else that was in the file stays behind."""
    try:
        image = open_image(data, name)
    except DataError as error:
        return escape(str(error))
    image.thumbnail((SHOWN_PIXELS, SHOWN_PIXELS))
    small = io.BytesIO()
    image.save(small, "PNG")
    coded = base64.b64encode(small.getvalue()).decode("ascii")
    return f'<img alt="{escape(name)}" src="data:image/png;base64,{coded}">'


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]], *, head: bool = True) -> str:
    rows = [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines]
    top = f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in heads)}</tr>" if head else ""
    return f"<table>{top}{''.join(rows)}</table>" if rows else ""


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return f"{fmean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def _interval(difference: tuple[float, float, float] | None) -> str:
    if difference is None:
        return ""
    mean, low, high = difference
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { text-align: left; vertical-align: top; padding: .3rem .9rem .3rem 0; }
tr { border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent); }
svg { width: 100%; height: auto; }
img { image-rendering: pixelated; min-width: 4rem; }
.verdict { font-size: 1.2rem; border-left: .3rem solid #0072B2; padding-left: .8rem; }
.warning { border-left: .3rem solid #D55E00; padding-left: .8rem; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
