"""Build a study: a folder with a page and its videos for the raters, and a key for whoever scores."""

import hashlib
import json
import os
import random
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dd_tools.errors import DataError, UsageError, reason
from dd_tools.evaluation.study.key import ANCHOR, MODES, RATING, TRAP, TRUTH, Item, Key, read_key, write_key
from dd_tools.evaluation.study.page import VIDEOS, write_page
from dd_tools.evaluation.study.plan import Plan, read_plan, remarks
from dd_tools.evaluation.study.scenarios import SCALE, SIDES
from dd_tools.evaluation.study.sessions import make_key
from dd_tools.evaluation.study.traps import SECONDS, store_trap
from dd_tools.evaluation.study.videos import Source, store, store_anchor
from dd_tools.formats.atomic import check_output_path
from dd_tools.formats.companions import companion
from dd_tools.reporting import SILENT, Reporter

RATERS = 12
_NAME_BYTES = 6  # of a video's random name
_MODIFIED = 315_532_800  # 1980-01-01: the time of modification that all files get, the first one that ZIP can store


@dataclass(frozen=True)
class _Video:
    """A video that is stored once. kind: "as it is", "anchor" or "trap". content: digest of its source, or its text."""

    kind: str
    content: str


def build_study(
    plan: Path,
    folder: Path,
    *,
    mode: str = RATING,
    raters: int = RATERS,
    per_clip: int | None = None,
    seed: int = 0,
    key: Path | None = None,
    reporter: Reporter = SILENT,
    fail: Callable[[str], None] | None = None,
) -> Key:
    """Write the study of a plan to the new folder `folder`, and its key to another place.

    plan: see `dd_tools.evaluation.study.plan`. mode: one of `MODES`. raters: number of sessions. per_clip: so many
    systems (or pairs, of a preference) of each clip are in a session, truth and anchor among them; None for all.
    seed: of orders and names. key: by default FOLDER.key.json. fail: receives all faults of a plan but the last.

    Raises `UsageError` for impossible settings, and `DataError` for faults of the plan, for a folder that is not empty,
    for a key of another study, and if something cannot be written. Then no folder is left.
    """
    _check_settings(mode, raters, per_clip)
    key_path = key or companion(folder, ".key.json")
    _check_targets(folder, key_path)
    content = read_plan(plan, mode, fail or reporter.say)
    for line in remarks(content):
        reporter.say(line)
    made = _key(content, mode, raters, per_clip, seed)
    _check_key(made, key_path)
    with _new_folder(folder) as temporary:
        _fill(temporary, content, made, reporter)
        write_key(made, key_path)
    return made


def _check_settings(mode: str, raters: int, per_clip: int | None) -> None:
    if mode not in MODES:
        raise UsageError(f"unknown mode '{mode}', expected {' or '.join(MODES)}")
    if raters < 1:
        raise UsageError(f"{raters} raters, expected at least 1")
    if per_clip is not None and per_clip < 1:
        raise UsageError(f"{per_clip} systems per clip, expected at least 1")


def _check_targets(folder: Path, key_path: Path) -> None:
    """Raise `DataError` if the study or its key cannot be written there."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"cannot write '{folder}': it exists and is not an empty folder; remove it or name another")
    if not folder.absolute().parent.is_dir():
        raise DataError(f"cannot write '{folder}': folder '{folder.parent}' does not exist")
    if Path(os.path.realpath(key_path)).is_relative_to(os.path.realpath(folder)):
        raise UsageError(f"the key '{key_path}' would be in the folder that raters get; name a file elsewhere")
    check_output_path(key_path)


def _key(plan: Plan, mode: str, raters: int, per_clip: int | None, seed: int) -> Key:
    """The key. The name of the study depends on all that makes the study, and everything random on it."""
    videos = sorted([*place, source.digest] for place, source in plan.videos.items())
    settings = json.dumps([videos, mode, raters, per_clip, seed])
    digest = hashlib.sha256(settings.encode("utf-8", "surrogatepass")).hexdigest()
    return make_key(digest[:8], plan.sections, mode, raters, per_clip, random.Random(digest))


def _check_key(key: Key, path: Path) -> None:
    """Raise `DataError` if there is the key of another study, whose answers would mean nothing without it."""
    if path.exists() and read_key(path) != key:
        raise DataError(f"cannot write '{path}': it is the key of another study; move it or name another file")


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder beside `folder`, which becomes it after success and is removed after an exception."""
    temporary = companion(folder.absolute(), f".{os.getpid()}-{secrets.token_hex(4)}.part", hidden=True, utf8=True)
    try:
        temporary.mkdir()
        yield temporary
        for path in (*temporary.glob("*/*"), *temporary.glob("*"), temporary):
            os.utime(path, (_MODIFIED, _MODIFIED))
        if folder.exists():
            folder.rmdir()
        temporary.rename(folder)
    except OSError as error:
        raise DataError(f"cannot write '{folder}': {reason(error)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fill(folder: Path, plan: Plan, key: Key, reporter: Reporter) -> None:
    (folder / VIDEOS).mkdir()
    sources = {source.digest: source for source in plan.videos.values()}
    shown = {name: _videos(item, plan, key) for name, item in key.items.items()}
    names = _names({video for videos in shown.values() for video in videos}, key)
    size = Counter((source.info.width, source.info.height) for source in plan.videos.values()).most_common(1)[0][0]
    for video in reporter.progress(list(names), len(names), "videos"):
        _store(video, sources, size, folder / VIDEOS / names[video])
    seconds = {name: SECONDS if video.kind == TRAP else sources[video.content].seconds for video, name in names.items()}
    files = {name: tuple(names[video] for video in videos) for name, videos in shown.items()}
    write_page(key, files, seconds, min(source.frame_seconds for source in sources.values()), folder)


def _names(videos: set[_Video], key: Key) -> dict[_Video, str]:
    """Random file names, always the same in one study. Names of items tell nothing about those of videos."""
    rng = random.Random(f"{key.study} {sorted(key.items)}")
    ordered = sorted(videos, key=lambda video: (video.kind, video.content))
    return {video: f"{rng.randbytes(_NAME_BYTES).hex()}.mp4" for video in rng.sample(ordered, len(ordered))}


def _videos(item: Item, plan: Plan, key: Key) -> list[_Video]:
    """The videos that an item shows, from left to right."""
    if item.role == TRAP:
        text = f"Attention check\n{_instruction(item.answer, key.mode)}"
        return [_Video(TRAP, text)] * (1 if key.mode == RATING else 2)
    return [_video(plan, item.scenario, item.clip, system) for system in item.systems]


def _instruction(answer: int, mode: str) -> str:
    return f"Please rate {answer}, {SCALE[answer]}" if mode == RATING else f"Please choose {SIDES[answer]}"


def _video(plan: Plan, scenario: str, clip: str, system: str) -> _Video:
    if system != ANCHOR:
        return _Video("as it is", plan.videos[scenario, clip, system].digest)
    section = next(section for section in plan.sections if section.scenario == scenario)
    turn = section.clips.index(clip) % len(section.systems)
    source = TRUTH if TRUTH in section.systems else section.systems[turn]
    return _Video(ANCHOR, plan.videos[scenario, clip, source].digest)


def _store(video: _Video, sources: dict[str, Source], size: tuple[int, int], target: Path) -> None:
    if video.kind == TRAP:
        store_trap(video.content, size, target)
    elif video.kind == ANCHOR:
        store_anchor(sources[video.content], target)
    else:
        store(sources[video.content], target)
