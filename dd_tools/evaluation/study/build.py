"""Build a study: a folder with a page and its videos for the raters, and a key for whoever scores.

Orders and names in the folder must not tell which video is whose, not even to somebody who has the plan and its videos.
So they are drawn from a secret, which is random and kept in the key. With the key of a study, the same plan and the
same settings give the same study again; without it they give another one.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path

from dd_tools.errors import DataError, UsageError, reason
from dd_tools.evaluation.study.key import ANCHOR, MODES, RATING, TRAP, TRUTH, Item, Key, read_key, write_key
from dd_tools.evaluation.study.page import VIDEOS, write_page
from dd_tools.evaluation.study.plan import Plan, read_plan, remarks
from dd_tools.evaluation.study.private_random import PrivateRandom
from dd_tools.evaluation.study.scenarios import SCALE, SIDES
from dd_tools.evaluation.study.sessions import make_key
from dd_tools.evaluation.study.traps import store_trap
from dd_tools.evaluation.study.videos import Source, store, store_anchor
from dd_tools.formats.atomic import check_output_path
from dd_tools.formats.companions import companion
from dd_tools.reporting import SILENT, Reporter

RATERS = 12
MAX_RATERS = 1000  # the page has the sessions of all of them
_SECRET_BYTES = 32
_NAME_BYTES = 6  # of a video's random name
# The time of modification that all files get, 1980-01-02 12:00 UTC: ZIP stores local times from 1980-01-01 on.
_MODIFIED = 315_662_400


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
    key: Path | None = None,
    reporter: Reporter = SILENT,
    fail: Callable[[str], None] | None = None,
) -> Key:
    """Write the study of a plan to the new folder `folder`, and its key to another place.

    plan: see `dd_tools.evaluation.study.plan`. mode: one of `MODES`. raters: number of sessions. per_clip: so many
    systems (or pairs, of a preference) of each clip are in a session, truth and anchor among them; None for all.
    key: by default FOLDER.key.json; if it exists, it must be that of the same
    study, which is then made again. fail: receives all faults of a plan but the last.

    Raises `UsageError` for impossible settings, and `DataError` for faults of the plan, for a folder that is not empty,
    for a key of another study, and if something cannot be written. Then no folder and no new key is left.
    """
    _check_settings(mode, raters, per_clip)
    folder = _named(folder)
    key_path = key or companion(folder, ".key.json")
    _check_targets(folder, key_path)
    kept = read_key(key_path) if key_path.exists() else None
    content = read_plan(plan, mode, fail or reporter.say)
    for line in remarks(content):
        reporter.say(line)
    secret = (kept and kept.secret) or secrets.token_hex(_SECRET_BYTES)
    made = _key(content, mode, raters, per_clip, secret)
    if kept not in (None, made):  # the answers of that study would mean nothing without it
        raise DataError(f"cannot write '{key_path}': it is the key of another study; move it or name another file")
    with _removed_after_failure(None if kept else key_path), _new_folder(folder) as temporary:
        _fill(temporary, content, made, reporter)
        write_key(made, key_path)
    return made


def _check_settings(mode: str, raters: int, per_clip: int | None) -> None:
    if mode not in MODES:
        raise UsageError(f"unknown mode '{mode}', expected {' or '.join(MODES)}")
    if not 1 <= raters <= MAX_RATERS:
        raise UsageError(f"{raters} raters, expected 1 to {MAX_RATERS}")
    if per_clip is not None and per_clip < 1:
        raise UsageError(f"{per_clip} systems per clip, expected at least 1")


def _named(folder: Path) -> Path:
    """The folder by a path that ends with its name. Raises `UsageError` if it cannot be replaced by a new one."""
    path = Path(os.path.realpath(folder))
    if not path.name or path == Path(os.path.realpath(os.curdir)):
        raise UsageError(f"cannot write '{folder}': not a new folder; name one")
    return path if folder.name in ("", "..") else folder


def _check_targets(folder: Path, key_path: Path) -> None:
    """Raise `DataError` if the study or its key cannot be written there."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"cannot write '{folder}': it exists and is not an empty folder; remove it or name another")
    if not folder.absolute().parent.is_dir():
        raise DataError(f"cannot write '{folder}': folder '{folder.parent}' does not exist")
    if not os.access(folder.absolute().parent, os.W_OK):
        raise DataError(f"cannot write '{folder}': folder '{folder.parent}' is not writable")
    if Path(os.path.realpath(key_path)).is_relative_to(os.path.realpath(folder)):
        raise UsageError(f"the key '{key_path}' would be in the folder that raters get; name a file elsewhere")
    check_output_path(key_path)


def _key(plan: Plan, mode: str, raters: int, per_clip: int | None, secret: str) -> Key:
    """The key. The name of the study depends on all that makes the study, and everything random on it."""
    videos = sorted([*place, source.digest] for place, source in plan.videos.items())
    settings = json.dumps([secret, videos, mode, raters, per_clip])
    digest = hashlib.sha256(settings.encode("utf-8", "surrogatepass")).hexdigest()
    key = make_key(digest[:8], plan.sections, mode, raters, per_clip, PrivateRandom(digest))
    return replace(key, secret=secret)


@contextmanager
def _removed_after_failure(path: Path | None) -> Iterator[None]:
    """Remove the file `path`, if any, after an exception."""
    try:
        yield
    except BaseException:
        if path:
            path.unlink(missing_ok=True)
        raise


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder beside `folder`, which becomes it after success and is removed after an exception.

    A `DataError` about a file in it becomes one about a file in `folder`, as the user does not know the hidden name.
    """
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
    except DataError as error:
        raise DataError(str(error).replace(str(temporary), str(folder))) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fill(folder: Path, plan: Plan, key: Key, reporter: Reporter) -> None:
    (folder / VIDEOS).mkdir()
    sources = {source.digest: source for source in plan.videos.values()}
    shown = {name: _videos(item, plan, key) for name, item in key.items.items()}
    names = _names({video for videos in shown.values() for video in videos}, key)
    size = Counter((source.info.width, source.info.height) for source in plan.videos.values()).most_common(1)[0][0]
    by_name = {name: video for video, name in sorted(names.items(), key=itemgetter(1))}
    seconds = {
        name: _store(by_name[name], sources, size, folder / VIDEOS / name)
        for name in reporter.progress(list(by_name), len(by_name), "videos")
    }
    files = {name: tuple(names[video] for video in videos) for name, videos in shown.items()}
    write_page(key, files, seconds, min(source.frame_seconds for source in sources.values()), folder)


def _names(videos: set[_Video], key: Key) -> dict[_Video, str]:
    """Random file names, always the same in one study."""
    rng = PrivateRandom(f"{key.secret} {key.study} videos")
    ordered = sorted(videos, key=lambda video: (video.kind, video.content))
    return {video: f"{rng.randbytes(_NAME_BYTES).hex()}.mp4" for video in ordered}


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


def _store(video: _Video, sources: dict[str, Source], size: tuple[int, int], target: Path) -> float:
    """Write a video. Returns its duration in seconds."""
    if video.kind == TRAP:
        return store_trap(video.content, size, target)
    return (store_anchor if video.kind == ANCHOR else store)(sources[video.content], target)
