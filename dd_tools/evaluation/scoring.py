"""The pass over a pair of videos: both decoded once, every frame shown to every measure and forgotten."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import tee, zip_longest
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.evaluation.frames import FramePair, Picture
from dd_tools.evaluation.framing import ENOUGH, Framing
from dd_tools.evaluation.measure import Measure, Observer
from dd_tools.evaluation.pairs import Pair
from dd_tools.evaluation.protocol import SHORTEST, Protocol
from dd_tools.evaluation.registration import register_if_needed
from dd_tools.evaluation.scores import ClipScores
from dd_tools.face.detectors.protocol import Detector
from dd_tools.face.tracking.choosers import most_prominent
from dd_tools.face.tracking.shots import number_shots
from dd_tools.face.tracking.speaker import track_speaker
from dd_tools.media.video import VideoInfo, probe, read_frames

FIRST_FRAME, UNCHANGED = "(first frame repeated)", "(truth unchanged)"
COUNT_SLACK = 1  # frames by which two videos may differ: encoders drop or repeat the last one
SPEED_SLACK = 0.05  # share by which their times may run apart


def score_pair(
    pair: Pair,
    protocol: Protocol,
    detector: Detector,
    *,
    baseline: bool = False,
    observers: Iterable[Observer] = (),
    progress: Callable[[Iterator[FramePair], int | None], Iterable[FramePair]] = lambda frames, total: frames,
    say: Callable[[str], None] = lambda line: None,
) -> list[ClipScores]:
    """Score one generated video; with `baseline` also what doing nothing would have scored against the same truth.

    observers: shown every frame too. progress: every frame passes through it; it may stop early. say: told what could
    not be decoded. Raises `DataError` for videos that cannot be read, have no face at all or do not belong together.
    """
    infos = [probe(path) for path in (pair.truth, pair.generated)]
    total = round(infos[0].duration * infos[0].frame_rate) if infos[0].duration else None
    has_sound = infos[1].has_audio
    truth, generated = (read_pictures(info, detector, say) for info in infos)
    pictures, registered = paired(truth, generated, pair, protocol), False
    if protocol.register:
        pictures, registered = register_if_needed(pictures)
    frames = (FramePair(*both, protocol.region) for both in pictures)
    scores = score_frames(progress(frames, total), pair, protocol, baseline=baseline, observers=observers)
    faults = scores[0].faults if has_sound else ("no audio track: no lip sync to measure", *scores[0].faults)
    return [replace(scores[0], registered=registered, faults=faults), *scores[1:]]


def read_pictures(video: Path | VideoInfo, detector: Detector, say: Callable[[str], None]) -> Iterator[Picture]:
    """The frames of a video with one face's landmarks in each."""
    frames, seen = tee(read_frames(video, on_damage=say))
    faces = track_speaker(number_shots(frame.image for frame in seen), detector, most_prominent)
    for frame, landmarks in zip(frames, faces, strict=True):
        yield Picture(frame.image, landmarks, frame.pts)


def paired(
    truth: Iterable[Picture], generated: Iterable[Picture], pair: Pair, protocol: Protocol
) -> Iterator[tuple[Picture, Picture]]:
    """Frames of the same number from both videos, truth first.

    Raises `DataError` after the last one if the videos' frame counts differ by more than `COUNT_SLACK` (unless the
    protocol says to take the shorter one) or the same frames take a different time in them.
    """
    counts, times = [0, 0], []
    for both in zip_longest(truth, generated):
        counts = [count + (one is not None) for count, one in zip(counts, both, strict=True)]
        if None not in both:
            times = [times[0] if times else _times(both), _times(both)]
            yield both
        elif protocol.align == SHORTEST:
            break
    if protocol.align != SHORTEST and abs(counts[0] - counts[1]) > COUNT_SLACK:
        raise DataError(
            f"'{pair.generated}' has {counts[1]} frames and its truth '{pair.truth}' {counts[0]}: "
            "cut them alike, or compare the common start with --align shortest"
        )
    spans = times[1] - times[0]
    if np.ptp(spans) > SPEED_SLACK * spans.max():
        raise DataError(
            f"'{pair.generated}' and its truth '{pair.truth}' run at different speeds: "
            f"the same {min(counts)} frames take {spans[1]:.2f} s and {spans[0]:.2f} s; convert both to one frame rate"
        )


def _times(both: tuple[Picture, Picture]) -> np.ndarray:
    return np.array([one.pts for one in both])


def score_frames(
    frames: Iterable[FramePair],
    pair: Pair,
    protocol: Protocol,
    *,
    baseline: bool = False,
    observers: Iterable[Observer] = (),
) -> list[ClipScores]:
    """Show frames to fresh measures and to `observers`; see `score_pair`."""
    framing, clip = Framing(), _Clip(protocol.measures(pair.generated))
    still, unchanged = (_Clip(protocol.measures(pair.truth if baseline else None)) for _ in range(2))
    first: Picture | None = None
    for frame in frames:
        for observer in (framing, clip, *observers):
            observer.add(frame)
        if framing.count == ENOUGH:
            _check_framing(framing, pair)
        first = first or (frame.truth if frame.truth.landmarks is not None else None)
        if baseline and first:
            still.add(FramePair(frame.truth, replace(first, pts=frame.truth.pts), protocol.region))
            unchanged.add(FramePair(frame.truth, frame.truth, protocol.region))
    clip.check_faces(pair)
    _check_framing(framing, pair)
    scores = [clip.scores(pair, pair.system, pair.generated)]
    if baseline:
        scores += [still.scores(pair, FIRST_FRAME), unchanged.scores(pair, UNCHANGED)]
    return scores


def _check_framing(framing: Framing, pair: Pair) -> None:
    if difference := framing.difference():
        raise DataError(
            f"'{pair.generated}' is framed unlike its truth '{pair.truth}': {difference}; "
            "crop both alike, or line up their faces with --register"
        )


@dataclass
class _Tally:
    """Counts of frames, as in `ClipScores`."""

    frames: int = 0
    missed_truth: int = 0
    missed_generated: int = 0
    identical_frames: int = 0

    def add(self, frame: FramePair) -> None:
        self.frames += 1
        self.missed_truth += frame.lower_face is None
        self.missed_generated += frame.generated.landmarks is None
        self.identical_frames += frame.region is not None and np.array_equal(*frame.region)


class _Clip:
    """All measures of one generated video."""

    def __init__(self, measures: list[Measure]):
        self._measures = measures
        self._tally = _Tally()

    def add(self, frame: FramePair) -> None:
        for part in (self._tally, *self._measures):
            part.add(frame)

    def check_faces(self, pair: Pair) -> None:
        seen = self._tally
        for path, missed in ((pair.truth, seen.missed_truth), (pair.generated, seen.missed_generated)):
            if missed == seen.frames:
                raise DataError(f"no face found in '{path}', in none of its {missed} frames")

    def scores(self, pair: Pair, system: str, generated: Path | None = None) -> ClipScores:
        values = {
            label.key: value
            for measure in self._measures
            for label, value in zip(measure.labels, measure.results(), strict=True)
        }
        faults = [measure.fault for measure in self._measures if measure.fault]
        if self._tally.frames == 1:
            faults.append("only one frame to compare: no motion to measure")
        return ClipScores(
            system, pair.clip, str(generated) if generated else None, str(pair.truth), **vars(self._tally),
            values=values, faults=tuple(faults),
        )  # fmt: skip
