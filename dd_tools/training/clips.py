"""Which clips are used for training, and how often each is drawn. The name of a clip is the stem of its file."""

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from dd_tools.errors import DataError, UsageError
from dd_tools.formats.lists import read_lines
from dd_tools.training.chance import draw_below


def read_speakers(path: str | Path) -> dict[str, str]:
    """Clip name to speaker, read from a file of two tab-separated columns without a header. Raises `DataError`."""
    return {name: speaker for _, name, speaker in _rows(path, "speaker")}


def read_delays(path: str | Path) -> dict[str, int]:
    """Clip name to the delay of its video against its audio, in latents (1/25 s); negative if the video is early.

    Read from a file of two tab-separated columns without a header. Raises `DataError`.
    """
    delays = {}
    for number, name, delay in _rows(path, "delay"):
        try:
            delays[name] = int(delay)
        except ValueError:
            raise DataError(f"cannot read '{path}': line {number} has delay '{delay}', expected an integer") from None
    return delays


def _rows(path: str | Path, column: str) -> Iterator[tuple[int, str, str]]:
    """Line number, clip name and second column of every line. column: name of the second, for error messages."""
    rows = (line.split("\t") for line in read_lines(path))
    for number, row in enumerate(rows, start=1):
        if len(row) != 2:
            raise DataError(
                f"cannot read '{path}': line {number} has {len(row)} columns, expected clip name and {column}"
            )
        yield number, *row


def read_names(path: str | Path) -> set[str]:
    """Clip names, read from a file with one per line. Raises `DataError`."""
    return {line.strip() for line in read_lines(path) if line.strip()}


def fraction_of(names: Sequence[str], fraction: float) -> list[str]:
    """A random selection of the names, sorted, at least one. It is always the same, and a subset of that of a larger
    fraction. Raises `UsageError` unless 0 < fraction ≤ 1.
    """
    if not 0 < fraction <= 1:
        raise UsageError(f"data fraction must be above 0 and at most 1, got {fraction}")
    shuffled = sorted(names)
    random.Random(0).shuffle(shuffled)
    return sorted(shuffled[: max(1, round(fraction * len(shuffled)))])


class SpeakerBalance:
    """Draws clips so that speakers with many clips do not dominate.

    names: of the clips. speakers: clip name to speaker; a clip that is not listed is a speaker of its own. power: a
    speaker of n clips is drawn n ** power times as often as a speaker of one clip; 0 draws all speakers evenly.
    """

    def __init__(self, names: Sequence[str], speakers: Mapping[str, str], power: float = 0.0):
        groups: dict[str, list[int]] = {}
        for index, name in enumerate(names):
            groups.setdefault(speakers.get(name, f"clip {name}"), []).append(index)
        self._groups = list(groups.values())
        self._weights = torch.tensor([len(group) ** power for group in self._groups], dtype=torch.float64)

    @property
    def probabilities(self) -> np.ndarray:
        """Probability of each clip, float64 (clips,)."""
        probabilities = np.empty(sum(map(len, self._groups)))
        for group, weight in zip(self._groups, (self._weights / self._weights.sum()).tolist(), strict=True):
            probabilities[group] = weight / len(group)
        return probabilities

    def draw(self, generator: torch.Generator) -> int:
        """Index of a clip: a speaker is drawn, then one of the speaker's clips uniformly."""
        speaker = int(torch.multinomial(self._weights, 1, generator=generator))
        return draw_from(self._groups[speaker], generator)

    def draw_many(self, count: int, generator: torch.Generator) -> list[int]:
        """Indices of clips, drawn as by `draw`, but faster."""
        speakers = torch.multinomial(self._weights, count, replacement=True, generator=generator)
        groups = [self._groups[speaker] for speaker in speakers.tolist()]
        places = draw_below(torch.tensor([len(group) for group in groups]), generator).tolist()
        return [group[place] for group, place in zip(groups, places, strict=True)]


def draw_from(items: Sequence, generator: torch.Generator):
    """One of `items`, drawn uniformly."""
    return items[torch.randint(len(items), (), generator=generator).item()]
