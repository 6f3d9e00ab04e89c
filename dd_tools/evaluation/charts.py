"""Curves over time as SVG that stands inside a page."""

from collections.abc import Sequence

import numpy as np

WIDTH, HEIGHT = 960, 150  # units of the drawing
LEFT, RIGHT, TOP, BOTTOM = 44, 20, 10, 22
POINTS = 1000  # drawn at most; longer clips are thinned
Curve = tuple[str, np.ndarray]  # class for the style sheet, values


def line_chart(times: np.ndarray, curves: Sequence[Curve], unit: str) -> str:
    """Curves (N) over times (N) in seconds; NaN leaves a gap. Empty where there is nothing to draw.

    The drawing tells the page's script its time axis by ``data-start`` and ``data-end``.
    """
    values = np.concatenate([curve for _, curve in curves])
    if len(times) < 2 or not np.isfinite(values).any():
        return ""
    low, high = float(np.nanmin(values[np.isfinite(values)])), float(np.nanmax(values[np.isfinite(values)]))
    low, high = (low, high) if high > low else (low - 1, high + 1)
    across = LEFT + (times - times[0]) / (times[-1] - times[0]) * (WIDTH - LEFT - RIGHT)
    step = -(-len(times) // POINTS)
    parts = [_rule(level, low, high, unit) for level in _ticks(low, high)]
    for name, curve in curves:
        points = zip(across[::step], _height(curve[::step], low, high), strict=True)
        parts.append(f'<path class="curve {name}" d="{_path(points)}"/>')
    parts += [_second(time, times) for time in _ticks(times[0], times[-1], 8)]
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" data-start="{times[0]:.4f}" data-end="{times[-1]:.4f}"'
        f' data-left="{LEFT}" data-right="{WIDTH - RIGHT}">{"".join(parts)}'
        f'<line class="playhead" x1="{LEFT}" x2="{LEFT}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/></svg>'
    )


def _height(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return HEIGHT - BOTTOM - (values - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def _path(points) -> str:
    """Line segments between neighbours that are known."""
    commands, pen = [], "M"
    for x, y in points:
        if np.isfinite(y):
            commands.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L" if np.isfinite(y) else "M"
    return "".join(commands)


def _ticks(low: float, high: float, count: int = 4) -> np.ndarray:
    """About `count` round numbers between two values."""
    rough = (high - low) / count
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * min((1, 2, 5, 10), key=lambda factor: abs(factor * power - rough))
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step


def _rule(level: float, low: float, high: float, unit: str) -> str:
    y = float(_height(np.float64(level), low, high))
    return (
        f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{level:g}<title>{unit}</title></text>'
    )


def _second(time: float, times: np.ndarray) -> str:
    x = LEFT + (time - times[0]) / (times[-1] - times[0]) * (WIDTH - LEFT - RIGHT)
    return f'<text x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{time:g} s</text>'
