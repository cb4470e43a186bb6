"""Two small pictures as SVG text, drawn by hand so that a report needs nothing but itself.

`dot_plot` shows every retraining of every arm, `line_plot` the curve over shares of removed rows.
Both are pure: numbers in, text out; all words are escaped. `report_page` is the caller.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, isfinite, log10

# Okabe and Ito's palette: told apart by colour-blind readers, on white and on black.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
WIDTH, LEFT, RIGHT, ROW, AXIS = 720, 170, 24, 34, 40
HEIGHT, TOP = 280, 16


@dataclass(frozen=True)
class Dots:
    """One line of a dot plot: a name and a value of each retraining."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class Curve:
    """One line of a line plot: (x, y, low, high) of each point, in order of x."""

    name: str
    points: Sequence[tuple[float, float, float, float]]


@dataclass(frozen=True)
class _Scale:
    """Numbers to pixels."""

    low: float
    high: float
    start: float
    stop: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, stop: float) -> "_Scale":
        """A scale that holds all of the values, and a little more."""
        known = [v for v in values if isfinite(v)] or [0.0]
        low, high = min(known), max(known)
        room = (high - low) * 0.08 or max(abs(high) * 0.01, 1e-6)
        return cls(low - room, high + room, start, stop)

    def at(self, value: float) -> float:
        """Pixel of a number."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)

    def ticks(self) -> list[float]:
        """About five round numbers."""
        raw = (self.high - self.low) / 5
        power = 10.0 ** floor(log10(raw))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw)
        first = ceil(self.low / step)
        return [i * step for i in range(first, floor(self.high / step) + 1)]


def dot_plot(rows: Sequence[Dots], title: str, unit: str) -> str:
    """Every value as a dot, their mean as a bar, one line a name.

    Args:
        rows: from top to bottom.
        title: for those who cannot see it.
        unit: written below the axis.
    """
    bottom = TOP + ROW * len(rows)
    scale = _Scale.over([v for row in rows for v in row.values], LEFT, WIDTH - RIGHT)
    parts = [_vertical(scale, bottom, unit)]
    for i, row in enumerate(rows):
        y = TOP + ROW * (i + 0.5)
        colour = COLOURS[i % len(COLOURS)]
        parts.append(_text(LEFT - 10, y + 4, row.name, "end"))
        values = [v for v in row.values if isfinite(v)]
        parts += [
            f'<circle cx="{scale.at(v):.1f}" cy="{y:.1f}" r="4" fill="{colour}" opacity="0.45"/>'
            for v in values
        ]
        if values:
            x = scale.at(sum(values) / len(values))
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 11:.1f}" y2="{y + 11:.1f}" '
                f'stroke="{colour}" stroke-width="3"/>'
            )
    return _svg(parts, bottom + AXIS, title)


def line_plot(curves: Sequence[Curve], title: str, x_unit: str, y_unit: str) -> str:
    """Lines with bands from low to high.

    Args:
        curves: in the order of the legend.
        title: for those who cannot see it.
        x_unit: written below the axis.
        y_unit: written above it.
    """
    points = [p for curve in curves for p in curve.points]
    bottom = TOP + HEIGHT
    across = _Scale.over([p[0] for p in points], LEFT, WIDTH - RIGHT)
    up = _Scale.over([v for p in points for v in p[1:]], bottom, TOP + 14)
    parts = [_vertical(across, bottom, x_unit), _text(LEFT - 10, TOP, y_unit, "end")]
    parts += [_text(LEFT - 10, up.at(t) + 4, _number(t), "end") for t in up.ticks()]
    for i, curve in enumerate(curves):
        colour = COLOURS[i % len(COLOURS)]
        known = [p for p in curve.points if all(isfinite(v) for v in p)]
        upper = [f"{across.at(x):.1f},{up.at(high):.1f}" for x, _, _, high in known]
        lower = [f"{across.at(x):.1f},{up.at(low):.1f}" for x, _, low, _ in reversed(known)]
        line = [f"{across.at(x):.1f},{up.at(y):.1f}" for x, y, _, _ in known]
        parts.append(
            f'<polygon points="{" ".join(upper + lower)}" fill="{colour}" opacity="0.15"/>'
        )
        parts.append(
            f'<polyline points="{" ".join(line)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        parts += [
            f'<circle cx="{at.split(",")[0]}" cy="{at.split(",")[1]}" r="3" fill="{colour}"/>'
            for at in line
        ]
        y = TOP + 12 + 18 * i
        parts.append(f'<rect x="4" y="{y:.0f}" width="10" height="10" fill="{colour}"/>')
        parts.append(_text(20, y + 10, curve.name, "start"))
    return _svg(parts, bottom + AXIS, title)


def _vertical(scale: _Scale, bottom: float, unit: str) -> str:
    """Grid lines with their numbers below."""
    lines = [
        f'<line x1="{scale.at(t):.1f}" x2="{scale.at(t):.1f}" y1="{TOP}" y2="{bottom}" '
        f'stroke="currentColor" opacity="0.15"/>{_text(scale.at(t), bottom + 16, _number(t))}'
        for t in scale.ticks()
    ]
    return "".join(lines) + _text((LEFT + WIDTH - RIGHT) / 2, bottom + 34, unit)


def _number(value: float) -> str:
    return f"{value:.10g}" if value == 0 else f"{float(f'{value:.6g}'):g}"


def _text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    short = words if len(words) <= 28 else words[:27] + "…"
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(short)}</text>'


def _svg(parts: Sequence[str], height: float, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}" '
        f'font-size="12" fill="currentColor">{"".join(parts)}</svg>'
    )
