"""Line charts over time: the coordinates of everything that the template ``chart.svg`` draws."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT = 960, 150  # units of the SVG's view box
LEFT, RIGHT, TOP, BOTTOM = 44, WIDTH - 20, 10, HEIGHT - 22  # edges of the plot
MAX_POINTS = 1000  # per curve; longer clips are subsampled

Curve = tuple[str, np.ndarray]  # CSS class, values


@dataclass(frozen=True)
class Tick:
    """A labelled position on one of the axes."""

    position: float
    value: float


@dataclass(frozen=True)
class Chart:
    """A drawing in view box units. start, end: first and last time in seconds. curves: CSS class and SVG path data."""

    start: float
    end: float
    unit: str
    curves: list[tuple[str, str]]
    levels: list[Tick]
    seconds: list[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT
    top: int = TOP
    bottom: int = BOTTOM


def line_chart(times: np.ndarray, curves: Sequence[Curve], unit: str) -> Chart | None:
    """A chart of curves (N,) over times (N,) in seconds; NaN leaves a gap. None if there is nothing to draw."""
    values = np.concatenate([curve for _, curve in curves])
    values = values[np.isfinite(values)]
    if len(times) < 2 or not len(values):
        return None
    start, end, low, high = float(times[0]), float(times[-1]), float(values.min()), float(values.max())
    if low == high:
        low, high = low - 1, high + 1
    step = -(-len(times) // MAX_POINTS)
    x = _scaled(times[::step], start, end, LEFT, RIGHT)
    return Chart(
        start,
        end,
        unit,
        [(name, _path(zip(x, _scaled(curve[::step], low, high, BOTTOM, TOP), strict=True))) for name, curve in curves],
        [Tick(float(_scaled(value, low, high, BOTTOM, TOP)), float(value)) for value in _ticks(low, high, 4)],
        [Tick(float(_scaled(value, start, end, LEFT, RIGHT)), float(value)) for value in _ticks(start, end, 8)],
    )


def _scaled(values: np.ndarray, low: float, high: float, from_: float, to: float) -> np.ndarray:
    """Map the interval low … high linearly to from_ … to."""
    return from_ + (values - low) / (high - low) * (to - from_)


def _path(points: Iterator[tuple[float, float]]) -> str:
    """SVG path data: line segments between consecutive finite points."""
    commands, command = [], "M"
    for x, y in points:
        if np.isfinite(y):
            commands.append(f"{command}{x:.1f} {y:.1f}")
        command = "L" if np.isfinite(y) else "M"
    return "".join(commands)


def _ticks(low: float, high: float, count: int) -> np.ndarray:
    """About `count` round numbers between two values."""
    rough = (high - low) / count
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * min((1, 2, 5, 10), key=lambda factor: abs(factor * power - rough))
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
