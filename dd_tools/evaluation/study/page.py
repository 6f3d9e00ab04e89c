"""The page of a study: static files that a browser opens from disk, and that tell raters nothing about the systems."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import jinja2

from dd_tools.evaluation.study.key import RATING, TRAINING, Item, Key
from dd_tools.evaluation.study.scenarios import SCENARIOS

VIDEOS = "videos"  # subfolder
_SECONDS_TO_ANSWER = 5  # an estimate
_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader(__package__),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_page(
    key: Key, files: Mapping[str, tuple[str, ...]], seconds: Mapping[str, float], frame: float, folder: Path
) -> None:
    """Write the page to `folder`, whose subfolder `VIDEOS` has the videos.

    files: item name to the names of its videos. seconds: duration of each. frame: duration of the shortest frame in
    seconds, within which the two videos of a preference are kept.
    """
    minutes = max(_minutes(names, files, seconds) for names in key.sessions.values())
    study = {
        "id": key.study,
        "mode": key.mode,
        "frame": frame,
        "answers": [[answer, key.answers[answer]] for answer in sorted(key.answers)],
        "scenarios": {name: _scenario(name, key.mode) for name in {item.scenario for item in key.items.values()}},
        "items": {name: _item(item, files[name]) for name, item in key.items.items()},
        "sessions": key.sessions,
    }
    _write(folder / "data.js", f"const STUDY = {json.dumps(study, sort_keys=True)};\n")
    values = {"is_rating": key.mode == RATING, "minutes": minutes, "raters": len(key.sessions)}
    _write(folder / "index.html", _TEMPLATES.get_template("index.html").render(values))
    for name in ("style.css", "state.js", "player.js", "study.js"):
        _write(folder / name, _TEMPLATES.loader.get_source(_TEMPLATES, name)[0])


def _minutes(names: tuple[str, ...], files: Mapping[str, tuple[str, ...]], seconds: Mapping[str, float]) -> int:
    """About how long a session takes."""
    return math.ceil(sum(max(seconds[file] for file in files[name]) + _SECONDS_TO_ANSWER for name in names) / 60)


def _scenario(name: str, mode: str) -> dict[str, str]:
    scenario = SCENARIOS[name]
    return {"title": scenario.title, "question": scenario.rate if mode == RATING else scenario.prefer}


def _item(item: Item, files: tuple[str, ...]) -> dict[str, object]:
    """What raters may know: nothing of repeats and traps."""
    videos = [f"{VIDEOS}/{file}" for file in files]
    return {"scenario": item.scenario, "videos": videos} | ({"training": True} if item.role == TRAINING else {})


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
