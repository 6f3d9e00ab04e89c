"""Draw the loss of a training log, smoothed, over the steps.

usage: loss_curve.py LOG.csv -o CURVE.png
"""

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT, MARGIN = 800, 400, 50  # pixels
SMOOTHING = 0.1  # weight of a new row in the smoothed loss


def read_log(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Steps and losses (N,) of a log. Raises `ValueError` for one without rows."""
    with open(path, newline="", encoding="utf-8") as stream:
        rows = [(float(row["step"]), float(row["loss"])) for row in csv.DictReader(stream)]
    finite = [row for row in rows if np.isfinite(row[1])]
    if not finite:
        raise ValueError(f"'{path}' has no rows with a finite loss")
    return np.array(finite).T


def smoothed(losses: np.ndarray) -> np.ndarray:
    """The moving average (N,) of losses (N,), which begins at the first one."""
    averages = [losses[0]]
    for loss in losses[1:]:
        averages.append((1 - SMOOTHING) * averages[-1] + SMOOTHING * loss)
    return np.array(averages)


def draw(steps: np.ndarray, losses: np.ndarray) -> Image.Image:
    """The losses (N,) as points and their moving average as a line, on a logarithmic axis."""
    logs, average = (np.log10(values.clip(1e-9)) for values in (losses, smoothed(losses)))
    low, high = logs.min() - 0.01, logs.max() + 0.01

    def places(values: np.ndarray) -> list[tuple[float, float]]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * steps / steps.max()
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (values - low) / (high - low)
        return list(zip(x.tolist(), y.tolist(), strict=True))

    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    canvas = ImageDraw.Draw(image)
    canvas.rectangle((MARGIN, MARGIN, WIDTH - MARGIN, HEIGHT - MARGIN), outline="grey")
    for x, y in places(logs):
        canvas.ellipse((x - 1, y - 1, x + 1, y + 1), fill="silver")
    canvas.line(places(average), fill="black", width=2)
    canvas.text((4, MARGIN), f"{10**high:.3g}", fill="black")
    canvas.text((4, HEIGHT - MARGIN - 10), f"{10**low:.3g}", fill="black")
    canvas.text((WIDTH - 2 * MARGIN, HEIGHT - MARGIN + 8), f"step {steps.max():.0f}", fill="black")
    canvas.text((MARGIN, MARGIN - 16), f"loss, at the end {10 ** average[-1]:.4g}", fill="black")
    return image


def main() -> int:
    if len(sys.argv) != 4 or sys.argv[2] != "-o":
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    steps, losses = read_log(Path(sys.argv[1]))
    draw(steps, losses).save(sys.argv[3])
    print(f"Loss, smoothed: {smoothed(losses)[-1]:.5g} after {steps[-1]:.0f} steps.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
