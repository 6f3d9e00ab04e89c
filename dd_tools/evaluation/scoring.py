"""Scores a pair of videos in one pass: both are decoded once, and every measure receives every frame."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.evaluation.decoding import pair_frames, read_face_frames
from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.framing import ENOUGH_FACES, FramingCheck
from dd_tools.evaluation.measures.interface import Measure, Observer
from dd_tools.evaluation.pairs import VideoPair
from dd_tools.evaluation.protocol import SHORTEST, EvaluationProtocol
from dd_tools.evaluation.registration import register_if_needed
from dd_tools.evaluation.scores import ClipScores
from dd_tools.face.detectors.protocol import Detector
from dd_tools.formats.snapshot import Snapshot
from dd_tools.media.ahead import ahead
from dd_tools.media.video import probe
from dd_tools.reporting import SILENT, Reporter

FIRST_FRAME, UNCHANGED = "(first frame repeated)", "(truth unchanged)"  # systems of the baselines


def score_pair(
    pair: VideoPair,
    protocol: EvaluationProtocol,
    detector: Detector,
    *,
    baseline: bool = False,
    observers: Iterable[Observer] = (),
    reporter: Reporter = SILENT,
) -> list[ClipScores]:
    """Score a generated video; with `baseline` also the truth's first frame repeated, and the truth itself.

    observers: also receive every frame. Raises `DataError` if a video cannot be read or has no face, or if the two
    differ in length, frame rate or framing, or change meanwhile.
    """
    inputs = Snapshot(pair.truth, pair.generated)
    truth_info, generated_info = probe(pair.truth), probe(pair.generated)
    # Faces are found in other threads, one for each video, while the frames before are measured.
    truth, generated = (ahead(read_face_frames(info, detector, reporter.say)) for info in (truth_info, generated_info))
    frames = pair_frames(truth, generated, pair, allow_shorter=protocol.align == SHORTEST)
    registered = False
    if protocol.register:
        frames, registered = register_if_needed(frames)
    pairs = (FramePair(*both, protocol.region) for both in frames)
    count = round(truth_info.duration * truth_info.frame_rate) if truth_info.duration else None
    pairs = reporter.progress(pairs, count, str(pair.generated))
    scores = _score_frames(pairs, pair, protocol, baseline=baseline, observers=observers, reporter=reporter)
    inputs.check()
    faults = () if generated_info.has_audio else ("cannot measure lip sync: no audio track",)
    return [replace(scores[0], registered=registered, faults=faults + scores[0].faults), *scores[1:]]


def _score_frames(
    frames: Iterable[FramePair],
    pair: VideoPair,
    protocol: EvaluationProtocol,
    *,
    baseline: bool = False,
    observers: Iterable[Observer] = (),
    reporter: Reporter = SILENT,
) -> list[ClipScores]:
    """Pass frames to new measures and to `observers`; arguments, result and errors as for `score_pair`."""
    framing, scorer = FramingCheck(), _ClipScorer(protocol.measures(pair.generated, reporter.say))
    baselines = _Baselines(pair, protocol) if baseline else None
    for frame in frames:
        for observer in (framing, scorer, *observers, *filter(None, [baselines])):
            observer.add(frame)
        if framing.count == ENOUGH_FACES:
            _check_framing(framing, pair)
    scorer.check_faces(pair)
    _check_framing(framing, pair)
    scores = scorer.scores(pair, pair.system, pair.generated)
    return [scores, *baselines.scores()] if baselines else [scores]


def _check_framing(framing: FramingCheck, pair: VideoPair) -> None:
    if difference := framing.difference():
        raise DataError(
            f"'{pair.generated}' is framed differently from its truth '{pair.truth}': {difference}; "
            "crop both videos the same way, or use --register to align the faces"
        )


class _Baselines:
    """Scores two baselines that need no model: the truth's first frame with a face, repeated, and the truth itself."""

    def __init__(self, pair: VideoPair, protocol: EvaluationProtocol):
        self._pair, self._region = pair, protocol.region
        self._repeated, self._unchanged = (_ClipScorer(protocol.measures(pair.truth)) for _ in range(2))
        self._first: FaceFrame | None = None

    def add(self, frame: FramePair) -> None:
        if self._first is None and frame.truth.landmarks is not None:
            self._first = frame.truth
        if self._first is not None:
            repeated = replace(self._first, pts=frame.truth.pts)
            self._repeated.add(FramePair(frame.truth, repeated, self._region))
            self._unchanged.add(FramePair(frame.truth, frame.truth, self._region))

    def scores(self) -> list[ClipScores]:
        return [self._repeated.scores(self._pair, FIRST_FRAME), self._unchanged.scores(self._pair, UNCHANGED)]


@dataclass
class _Counts:
    """Counts of frames, with the meaning they have in `ClipScores`."""

    frames: int = 0
    missed_truth: int = 0
    missed_generated: int = 0
    identical_frames: int = 0

    def add(self, frame: FramePair) -> None:
        self.frames += 1
        self.missed_truth += frame.lower_face is None
        self.missed_generated += frame.generated.landmarks is None
        self.identical_frames += frame.region is not None and np.array_equal(*frame.region)


class _ClipScorer:
    """Computes all measures of one clip."""

    def __init__(self, measures: list[Measure]):
        self._measures = measures
        self._counts = _Counts()

    def add(self, frame: FramePair) -> None:
        for part in (self._counts, *self._measures):
            part.add(frame)

    def check_faces(self, pair: VideoPair) -> None:
        """Raise `DataError` if one of the videos has no face at all."""
        counts = self._counts
        for path, missed in ((pair.truth, counts.missed_truth), (pair.generated, counts.missed_generated)):
            if missed == counts.frames:
                raise DataError(f"no face found in any of the {missed} frames of '{path}'")

    def scores(self, pair: VideoPair, system: str, generated: Path | None = None) -> ClipScores:
        values = {
            label.key: value
            for measure in self._measures
            for label, value in zip(measure.labels, measure.results(), strict=True)
        }
        faults = [measure.fault for measure in self._measures if measure.fault]
        if self._counts.frames == 1:
            faults.append("cannot measure motion: only one frame")
        return ClipScores(
            system, pair.clip, str(generated) if generated else None, str(pair.truth), **vars(self._counts),
            values=values, faults=tuple(faults),
        )  # fmt: skip
