"""Plans of small studies for tests."""

import json
from collections.abc import Iterable
from pathlib import Path

import ffmpeg
from factories import dummy_media

from dd_tools.evaluation.study.build import build_study
from dd_tools.evaluation.study.key import Key


def write_plan(folder: Path, rows: Iterable[tuple[str, ...]], columns: str = "system clip scenario video") -> Path:
    """A plan in `folder` with `rows` of cells."""
    path = folder / "plan.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in [tuple(columns.split()), *rows]), encoding="utf-8")
    return path


def dummy_plan(
    folder: Path,
    systems: str = "a truth",
    clips: str = "x y",
    scenario: str = "MF",
    seconds: float = 1.0,
    size: tuple[int, int] = (64, 48),
) -> Path:
    """A plan of test cards, each with a tone of its own, for each of `systems` and `clips`."""
    rows = []
    for number, (system, clip) in enumerate((one, other) for one in systems.split() for other in clips.split()):
        name = f"{system}-{clip}.mp4"
        picture = ffmpeg.input(f"testsrc2=size={size[0]}x{size[1]}:rate=25:duration={seconds}", format="lavfi")
        tone = ffmpeg.input(f"sine=frequency={300 + 100 * number}:duration={seconds}", format="lavfi")
        dummy_media(folder / name, picture, tone, pix_fmt="yuv420p")
        rows.append((system, clip, scenario, name))
    return write_plan(folder, rows)


def page_data(study: Path) -> dict:
    """What the page knows."""
    return json.loads((study / "data.js").read_text().removeprefix("const STUDY = ").rstrip(";\n"))


def dummy_study(folder: Path) -> tuple[Path, Key]:
    """A study of two systems and the truth in two scenarios, built in `folder`, and its key."""
    plan = dummy_plan(folder, "secretone secrettwo truth", "clipx clipy", "MF, N", seconds=0.4)
    return folder / "study", build_study(plan, folder / "study", raters=4)
