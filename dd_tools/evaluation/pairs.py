"""Which generated video is compared with which truth."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dd_tools.errors import DataError, UsageError
from dd_tools.formats.lists import read_lines
from dd_tools.formats.names import distinct_names

VIDEO_SUFFIXES = (
    ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv",
)  # fmt: skip
LIST_SUFFIX = ".tsv"
_LIST_HEADER = ["generated", "truth"]


@dataclass(frozen=True)
class VideoPair:
    """A generated video and its truth.

    system: what generated it, the name of its folder, with the folders around it where others have the same name. clip:
    the file name without suffix.
    """

    system: str
    clip: str
    generated: Path
    truth: Path


@dataclass
class Matching:
    """The pairs found, and one line for each video without a partner."""

    pairs: list[VideoPair] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def match_pairs(generated: Sequence[Path], truth: Sequence[Path]) -> Matching:
    """Pair video files and folders of videos; or read a list of pairs (``.tsv``), see `read_list`.

    Videos are paired by file name without suffix if any path is a folder or any name occurs on both sides; then one
    truth serves the generated videos of every folder. Otherwise they are paired in the order given. Raises `DataError`
    for a missing path, a folder without videos and ambiguous truths; `UsageError` for different numbers of files, for
    no truth, and for a list together with other paths.
    """
    if any(path.suffix.lower() == LIST_SUFFIX for path in generated):
        if len(generated) > 1 or truth:
            raise UsageError("a list of pairs (.tsv) must be the only input, without --truth")
        return read_list(generated[0])
    if not truth:
        raise UsageError("missing option '--truth': give the true videos, or a list of pairs (.tsv)")
    has_folder = any(path.is_dir() for path in (*generated, *truth))
    generated, truth = _videos(generated), _videos(truth)
    has_common_name = not {path.stem for path in generated}.isdisjoint(path.stem for path in truth)
    return _match_by_name(generated, truth) if has_folder or has_common_name else _match_in_order(generated, truth)


def read_list(path: Path) -> Matching:
    """The pairs in a text file: generated video, tab, truth on each line, relative to the file's folder.

    A first line ``generated<tab>truth`` and empty lines are skipped. Raises `DataError` if the file cannot be read, if
    a line does not have two columns, and if there are no pairs.
    """
    found: list[tuple[Path, Path]] = []
    for number, columns in enumerate((line.split("\t") for line in read_lines(path)), start=1):
        if columns == [""] or (number == 1 and columns == _LIST_HEADER):
            continue
        if len(columns) != 2:
            raise DataError(
                f"cannot use '{path}': line {number} has {len(columns)} columns, expected 2 separated by a tab"
            )
        found.append(tuple(path.parent / column for column in columns))
    if not found:
        raise DataError(f"no pairs in '{path}'")
    return Matching(_pairs(found))


def _pairs(found: Sequence[tuple[Path, Path]]) -> list[VideoPair]:
    """The pairs of generated videos and truths."""
    folders = [generated.resolve().parent for generated, _ in found]
    names = distinct_names(folders)
    return [
        VideoPair(names[folder], generated.stem, generated, truth)
        for folder, (generated, truth) in zip(folders, found, strict=True)
    ]


def _videos(paths: Sequence[Path]) -> list[Path]:
    """Files as given; folders replaced by their videos, sorted by name."""
    videos = []
    for path in paths:
        if not path.exists():
            raise DataError(f"cannot read '{path}': no such file or folder")
        found = _videos_in(path) if path.is_dir() else [path]
        if not found:
            raise DataError(f"no videos in folder '{path}'")
        videos += found
    return videos


def _videos_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES and not p.name.startswith("."))


def _match_in_order(generated: list[Path], truth: list[Path]) -> Matching:
    if len(generated) != len(truth):
        raise UsageError(
            f"cannot pair {len(generated)} generated but {len(truth)} true videos without common names: "
            "give one truth for each generated video, or files with the same names"
        )
    return Matching(_pairs(list(zip(generated, truth, strict=True))))


def _match_by_name(generated: list[Path], truth: list[Path]) -> Matching:
    _check_names("true videos", [path.stem for path in truth])
    truths = {path.stem: path for path in truth}
    matching = Matching(
        _pairs([(path, truths[path.stem]) for path in generated if path.stem in truths]),
        [f"no truth for '{path}'" for path in generated if path.stem not in truths],
    )
    for folder in dict.fromkeys(path.parent for path in generated):
        stems = [path.stem for path in generated if path.parent == folder]
        _check_names(f"generated videos in '{folder}'", stems)
        matching.missing += [
            f"no generated video in '{folder}' for '{truths[stem]}'" for stem in truths if stem not in stems
        ]
    return matching


def _check_names(videos: str, stems: Sequence[str]) -> None:
    """Raise `DataError` if two have the same name. videos: what they are."""
    ambiguous = [stem for stem, count in Counter(stems).items() if count > 1]
    if ambiguous:
        raise DataError(f"several {videos} have the same name, such as '{ambiguous[0]}'")
