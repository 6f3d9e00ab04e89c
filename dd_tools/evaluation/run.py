"""A run over many pairs: collects the scores and everything else in the reports, in one pass over each pair."""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dd_tools.errors import DataError
from dd_tools.evaluation.conditions import Condition, reasons
from dd_tools.evaluation.measures.interface import Observer
from dd_tools.evaluation.pairs import VideoPair
from dd_tools.evaluation.protocol import EvaluationProtocol
from dd_tools.evaluation.report.clip_media import CLIPS, ClipMedia
from dd_tools.evaluation.report.contact_sheet import MouthRows
from dd_tools.evaluation.report.report import Report
from dd_tools.evaluation.scores import ClipScores
from dd_tools.evaluation.scoring import score_pair
from dd_tools.face.detectors.protocol import Detector
from dd_tools.media.audio import has_audio
from dd_tools.media.video import probe
from dd_tools.reporting import SILENT, Reporter

if TYPE_CHECKING:
    from dd_tools.evaluation.measures.fid import SystemFid

LONGEST_PART = 80  # characters of either name in the file name of a page, which a number makes unique


class Evaluation:
    """Scores pairs one after another.

    pooled: compute FID and FVD. baseline: whether to score the baselines, once for every truth. pages: folder
    of the web pages, into which the clips' videos are written; None for no pages. The results so far: `clips`, `mouths`
    (for the contact sheet), `media` (for the pages), `failed` (a line for every video that was not scored).
    """

    def __init__(
        self,
        protocol: EvaluationProtocol,
        detector: Detector,
        *,
        pooled: Sequence["SystemFid"] = (),
        baseline: bool = False,
        pages: Path | None = None,
        conditions: Sequence[Condition] = (),
        reporter: Reporter = SILENT,
    ):
        self._protocol, self._detector, self._reporter = protocol, detector, reporter
        self._pooled, self._baseline, self._pages, self._conditions = pooled, baseline, pages, conditions
        self.clips: list[ClipScores] = []
        self.mouths: dict[VideoPair, MouthRows] = {}
        self.media: dict[ClipScores, ClipMedia] = {}
        self.failed: list[str] = []

    def score(self, pair: VideoPair) -> ClipScores:
        """Score a pair and return the generated video's scores. Errors as for `score_pair`, noted in `failed`."""
        mouths, features = MouthRows(), [distance.observer() for distance in self._pooled]
        try:
            with self._media(pair) as media:
                scores = self._scores(pair, [mouths, *features, *filter(None, [media])])
        except DataError as error:
            self.failed.append(str(error))
            raise
        scores[0] = replace(scores[0], rejected=tuple(reasons(self._conditions, scores[0])))
        for distance, collected in zip(self._pooled, features, strict=True):
            distance.keep(pair.system, collected)
        if media:
            self.media[scores[0]] = media
        self.clips += scores
        self.mouths[pair] = mouths
        return scores[0]

    def _media(self, pair: VideoPair) -> AbstractContextManager[ClipMedia | None]:
        """What writes the clip's videos for the web pages, if there are any."""
        if not self._pages:
            return nullcontext()
        audio = pair.generated if has_audio(pair.generated) else None
        name = f"{len(self.media) + 1:02d}-{_file_name(pair.system)}-{_file_name(pair.clip)}"
        return ClipMedia(self._pages / CLIPS, name, probe(pair.truth).frame_rate, audio)

    def _scores(self, pair: VideoPair, observers: list[Observer]) -> list[ClipScores]:
        is_new_truth = all(clip.truth != str(pair.truth) for clip in self.clips)
        return score_pair(
            pair,
            self._protocol,
            self._detector,
            baseline=self._baseline and is_new_truth,
            observers=observers,
            reporter=self._reporter,
        )

    def report(self) -> Report:
        """The results so far."""
        pooled = {distance.label: distance.values() for distance in self._pooled}
        labels = [*self._protocol.labels, *pooled]
        return Report(labels, self.clips, self.failed, self._protocol.signature(self._detector, labels), pooled)


def _file_name(name: str) -> str:
    """The beginning of the name, without characters that are unsafe in file names and URLs."""
    return re.sub(r"[^A-Za-z0-9.]+", "_", name)[:LONGEST_PART].strip("._") or "clip"
