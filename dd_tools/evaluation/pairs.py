"""Which generated video is measured against which truth."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dd_tools.errors import DataError, UsageError

VIDEO_SUFFIXES = (
    ".avi",
    ".flv",
    ".m4v",
    ".mkv",
    ".mov",
    ".mp4",
    ".mpeg",
    ".mpg",
    ".mts",
    ".ogv",
    ".ts",
    ".webm",
    ".wmv",
)


LIST_SUFFIX = ".tsv"
_LIST_HEADER = ["generated", "truth"]


@dataclass(frozen=True)
class Pair:
    """A generated video and its truth. system: what made it (the name of its folder); clip: the name they share."""

    system: str
    clip: str
    generated: Path
    truth: Path


@dataclass
class Matching:
    """The pairs found, and one line for each video that has no partner."""

    pairs: list[Pair] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def match_pairs(generated: Sequence[Path], truth: Sequence[Path]) -> Matching:
    """Pair files or folders of videos, or read a list of pairs (``.tsv``), which stands alone: see `read_list`.

    Videos are paired by stem when a folder is given or a generated video shares its stem with a truth; one truth then
    serves the generated videos of every folder. Otherwise they pair in the order given, and their counts must match.
    Raises `DataError` for paths that do not exist, folders without videos and truths of one name, `UsageError` for
    counts, no truths, and a list beside other videos.
    """
    if any(path.suffix.lower() == LIST_SUFFIX for path in generated):
        if len(generated) > 1 or truth:
            raise UsageError("a list of pairs (.tsv) names all videos: give nothing beside it, no --truth either")
        return read_list(generated[0])
    if not truth:
        raise UsageError("missing option '--truth': name the true videos, or give a list of pairs (.tsv)")
    by_name = any(path.is_dir() for path in (*generated, *truth))
    generated, truth = _videos(generated), _videos(truth)
    by_name = by_name or not {path.stem for path in generated}.isdisjoint(path.stem for path in truth)
    return _match_by_stem(generated, truth) if by_name else _match_in_order(generated, truth)


def read_list(path: Path) -> Matching:
    """The pairs in a file with a generated video, a tab, and its truth on each line, as seen from the file's folder.

    A first line ``generated<tab>truth`` is skipped. Raises `DataError` for anything else and where there are none.
    """
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read '{path}': {getattr(error, 'strerror', None) or 'not text'}".lower()) from None
    matching = Matching()
    for number, columns in enumerate(lines, start=1):
        if not columns or (number == 1 and columns == _LIST_HEADER):
            continue
        if len(columns) != 2:
            raise DataError(f"cannot use '{path}': line {number} has {len(columns)} columns, expected two, tab between")
        generated, truth = (path.parent / column for column in columns)
        matching.pairs.append(Pair(_system(generated), generated.stem, generated, truth))
    if not matching.pairs:
        raise DataError(f"no pairs in '{path}'")
    return matching


def _videos(paths: Sequence[Path]) -> list[Path]:
    """Files as given, folders as the videos in them, sorted by name."""
    videos = []
    for path in paths:
        if not path.exists():
            raise DataError(f"cannot read '{path}': no such file or folder")
        found = [path] if not path.is_dir() else _videos_in(path)
        if not found:
            raise DataError(f"no videos in folder '{path}'")
        videos += found
    return videos


def _videos_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES and not p.name.startswith("."))


def _system(generated: Path) -> str:
    return generated.resolve().parent.name


def _match_in_order(generated: list[Path], truth: list[Path]) -> Matching:
    if len(generated) != len(truth):
        raise UsageError(
            f"{len(generated)} generated but {len(truth)} true videos, and no names in common: "
            "give as many truths as generated videos, or folders in which the names agree"
        )
    return Matching([Pair(_system(one), one.stem, one, true) for one, true in zip(generated, truth, strict=True)])


def _match_by_stem(generated: list[Path], truth: list[Path]) -> Matching:
    twice = [stem for stem, count in Counter(path.stem for path in truth).items() if count > 1]
    if twice:
        raise DataError(f"{len(twice)} names stand for several truths, such as '{twice[0]}': names must be unique")
    truths = {path.stem: path for path in truth}
    matching = Matching()
    for path in generated:
        if path.stem in truths:
            matching.pairs.append(Pair(_system(path), path.stem, path, truths[path.stem]))
        else:
            matching.missing.append(f"no truth for '{path}'")
    for folder in dict.fromkeys(path.parent for path in generated):
        stems = {path.stem for path in generated if path.parent == folder}
        matching.missing += [
            f"no generated video in '{folder}' for '{truths[stem]}'" for stem in truths if stem not in stems
        ]
    return matching
