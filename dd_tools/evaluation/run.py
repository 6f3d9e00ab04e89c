"""A run over many pairs: collects the scores and everything else in the reports, in one pass over each pair."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from dd_tools.errors import DataError
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

    fid: computes FID; None leaves it out. baseline: whether to score the baselines, once for every truth. pages: folder
    of the web pages, into which the clips' videos are written; None for no pages. The results so far: `clips`, `mouths`
    (for the contact sheet), `media` (for the pages), `failed` (a line for every video that was not scored).
    """

    def __init__(
        self,
        protocol: EvaluationProtocol,
        detector: Detector,
        *,
        fid: "SystemFid | None" = None,
        baseline: bool = False,
        pages: Path | None = None,
        reporter: Reporter = SILENT,
    ):
        self._protocol, self._detector, self._reporter = protocol, detector, reporter
        self._fid, self._baseline, self._pages = fid, baseline, pages
        self.clips: list[ClipScores] = []
        self.mouths: dict[VideoPair, MouthRows] = {}
        self.media: dict[ClipScores, ClipMedia] = {}
        self.failed: list[str] = []

    def score(self, pair: VideoPair) -> ClipScores:
        """Score a pair and return the generated video's scores. Errors as for `score_pair`, noted in `failed`."""
        try:
            return self._score_with_media(pair) if self._pages else self._score(pair)
        except DataError as error:
            self.failed.append(str(error))
            raise

    def _score_with_media(self, pair: VideoPair) -> ClipScores:
        audio = pair.generated if has_audio(pair.generated) else None
        name = f"{len(self.media) + 1:02d}-{_file_name(pair.system)}-{_file_name(pair.clip)}"
        with ClipMedia(self._pages / CLIPS, name, probe(pair.truth).frame_rate, audio) as media:
            scores = self._score(pair, media)
        self.media[scores] = media
        return scores

    def _score(self, pair: VideoPair, media: ClipMedia | None = None) -> ClipScores:
        mouths = MouthRows()
        features = self._fid.observer() if self._fid else None
        is_new_truth = all(clip.truth != str(pair.truth) for clip in self.clips)
        scores = score_pair(
            pair,
            self._protocol,
            self._detector,
            baseline=self._baseline and is_new_truth,
            observers=[observer for observer in (mouths, media, features) if observer],
            reporter=self._reporter,
        )
        if features:
            self._fid.keep(pair.system, features)
        self.clips += scores
        self.mouths[pair] = mouths
        return scores[0]

    def report(self) -> Report:
        """The results so far."""
        labels, pooled = self._protocol.labels, {}
        if self._fid:
            labels, pooled = [*labels, self._fid.label], {self._fid.label: self._fid.values()}
        return Report(labels, self.clips, self.failed, self._protocol.signature(self._detector, labels), pooled)


def _file_name(name: str) -> str:
    """The beginning of the name, without characters that are unsafe in file names and URLs."""
    return re.sub(r"[^A-Za-z0-9.]+", "_", name)[:LONGEST_PART].strip("._") or "clip"
