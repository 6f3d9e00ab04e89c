"""A run over many pairs: scores, and what pictures and pages are drawn from, gathered in one pass over each pair."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dd_tools.evaluation.contact_sheet import MouthRows
from dd_tools.evaluation.exhibits import Exhibits
from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.pages import CLIPS
from dd_tools.evaluation.pairs import Pair
from dd_tools.evaluation.protocol import Protocol
from dd_tools.evaluation.report import Report
from dd_tools.evaluation.scores import ClipScores
from dd_tools.evaluation.scoring import score_pair
from dd_tools.face.detectors.protocol import Detector
from dd_tools.media.audio import has_audio
from dd_tools.media.video import probe

if TYPE_CHECKING:
    from dd_tools.evaluation.inception import FrechetDistances

Progress = Callable[[Iterator[FramePair], int | None], Iterable[FramePair]]


class Evaluation:
    """Scores pairs one after another.

    frechet: measures FID by system. baseline: whether to score doing nothing, once for every truth. pages: the folder
    of the pages, which gets the clips' videos; None for no pages. `clips`, `mouths` (of the contact sheet), `exhibits`
    (of the pages) and `failed` grow with every pair.
    """

    def __init__(
        self,
        protocol: Protocol,
        detector: Detector,
        *,
        frechet: "FrechetDistances | None" = None,
        baseline: bool = False,
        pages: Path | None = None,
    ):
        self._protocol, self._detector = protocol, detector
        self._frechet, self._baseline, self._pages = frechet, baseline, pages
        self.clips: list[ClipScores] = []
        self.mouths: dict[Pair, MouthRows] = {}
        self.exhibits: dict[ClipScores, Exhibits] = {}
        self.failed: list[str] = []

    def score(self, pair: Pair, progress: Progress, say: Callable[[str], None]) -> ClipScores:
        """Score a pair, keep all of it, and give the generated video's scores. Arguments, errors: see `score_pair`."""
        if self._pages is None:
            return self._score(pair, progress, say)
        sound = pair.generated if has_audio(pair.generated) else None
        name = f"{len(self.exhibits) + 1:02d}-{_slug(pair.system)}-{_slug(pair.clip)}"
        with Exhibits(self._pages / CLIPS, name, probe(pair.truth).frame_rate, sound) as exhibits:
            scores = self._score(pair, progress, say, exhibits)
        self.exhibits[scores] = exhibits
        return scores

    def _score(
        self, pair: Pair, progress: Progress, say: Callable[[str], None], exhibits: Exhibits | None = None
    ) -> ClipScores:
        mouths = MouthRows()
        features = self._frechet.observer() if self._frechet else None
        is_new_truth = all(clip.truth != str(pair.truth) for clip in self.clips)
        scores = score_pair(
            pair,
            self._protocol,
            self._detector,
            baseline=self._baseline and is_new_truth,
            observers=[one for one in (mouths, exhibits, features) if one],
            progress=progress,
            say=say,
        )
        if features:
            self._frechet.keep(pair.system, features)
        self.clips += scores
        self.mouths[pair] = mouths
        return scores[0]

    def report(self) -> Report:
        """What was found so far."""
        labels, pooled = self._protocol.labels, {}
        if self._frechet:
            labels, pooled = [*labels, self._frechet.label], {self._frechet.label: self._frechet.values()}
        return Report(labels, self.clips, self.failed, self._protocol.signature(self._detector, labels), pooled)


def _slug(name: str) -> str:
    """A name that is safe in file names and addresses."""
    return re.sub(r"[^A-Za-z0-9.]+", "_", name).strip("._") or "clip"
