"""How the lips behave while speech is heard and while it is not, in both videos: stillness, dynamics, loudness.

After three measures of THEval (Quignon et al., arXiv 2511.04520), which compare a method's mean with that of true
videos. The definitions follow the published code except where stated. Its voice activity detector is a network; here
it is `dd_tools.speech.voice_activity`.
"""

import math
from array import array
from collections.abc import Iterable
from itertools import chain

import numpy as np

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.measures.aperture import correlation
from dd_tools.evaluation.measures.interface import Better, Label, Measure
from dd_tools.face.geometry import fit_poses, scale_of
from dd_tools.face.landmarks import MOUTH, lip_aperture
from dd_tools.formats.arrays import SPEECH_RATE
from dd_tools.speech.voice_activity import SETTINGS, frame_power, is_speech

PERCENT = 100  # of the interocular distance
POINTS = MOUTH.stop - MOUTH.start
_VALUES = 1 + 2 * POINTS  # lip aperture and mouth landmarks of one face


def _labels(key: str, title: str, unit: str, decimals: int, settings: str) -> tuple[Label, Label]:
    """The labels of the generated video's value and of the truth's."""
    return (
        Label(key, title, unit, Better.NEAR_TRUTH, decimals, settings),
        Label(f"{key}_truth", f"{title} of truth", unit, Better.REFERENCE, decimals, f"as-{key}"),
    )


LABELS = (
    *_labels("silent_lips", "silent lips", "%", 1, f"aperture-median-absolute-deviation,in-pauses({SETTINGS})"),
    *_labels("lip_dynamics", "lip dynamics", "%", 1, "rms-deviation-of-190-distances,points-48-67,in-speech"),
    *_labels("loudness_r", "loudness r", "", 2, "pearson,aperture-and-rms-of-40-ms,in-speech"),
)


class SpeechLips(Measure):
    """Three values of the generated video, each followed by the truth's in the same frames with the same audio.

    See `restlessness`, measured in the pauses of the speech, and `dynamics` and `correlation` of lip aperture and
    loudness, measured while it is heard. Frames without both faces and frames beyond the audio are left out. audio:
    blocks of samples as from `audio_of`. NaN without audio, pauses or speech.
    """

    labels = LABELS

    def __init__(self, audio: Iterable[np.ndarray]):
        self._audio = audio
        self._pts = array("d")  # seconds
        self._faces = array("f")  # of the generated face, of the true one, and so on

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        if frame.landmarks is not None:
            self._pts.append(frame.generated.pts)
            for landmarks in reversed(frame.landmarks):
                relative = landmarks / scale_of(fit_poses(landmarks[None]))[0]
                self._faces.extend(chain([lip_aperture(relative)], relative[MOUTH].flat))

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        heard = _Heard(frame_power(self._audio), np.array(self._pts))
        generated, truth = np.array(self._faces).reshape(-1, 2, _VALUES)[heard.known].swapaxes(0, 1)
        return tuple(chain(*zip(_values(generated, heard), _values(truth, heard), strict=True)))


class _Heard:
    """What is heard at video frames with times `pts` (N,): the two frames of `frame_power` from each frame's time on.

    known: the frames that have audio, bool (N,); the others: of the M known frames. speech: whether speech is heard in
    at least one half, bool (M,). loudness: root mean square (M,).
    """

    def __init__(self, power: np.ndarray, pts: np.ndarray):
        first = np.rint(pts * SPEECH_RATE).astype(int)
        self.known = (first >= 0) & (first + 1 < len(power))
        halves = first[self.known, None] + (0, 1)
        self.speech = is_speech(power)[halves].any(1)
        self.loudness = np.sqrt(power[halves].mean(1))


def _values(faces: np.ndarray, heard: _Heard) -> tuple[float, float, float]:
    """The three values of one video, from the aperture and the mouth landmarks (M,41) of its faces."""
    apertures, mouths = np.float64(faces[:, 0]), faces[:, 1:].reshape(-1, POINTS, 2)
    spoken = heard.speech
    return (
        restlessness(apertures[~spoken]),
        dynamics(mouths[spoken]),
        correlation(apertures[spoken], heard.loudness[spoken]),
    )


def restlessness(apertures: np.ndarray) -> float:
    """How far lips that should be still open and close: the median distance of their apertures (N,) from the mean.

    Both in interocular distances, the result in percent; THEval's silent lip stability. 0 for lips that do not move;
    NaN for fewer than two frames.
    """
    if len(apertures) < 2:
        return math.nan
    return PERCENT * float(np.median(np.abs(apertures - apertures.mean())))


def dynamics(mouths: np.ndarray) -> float:
    """How much the mouth's shape changes: standard deviation of the distances of all pairs of landmarks (N,20,2).

    In percent of the interocular distance. The variances of the distances are averaged and the root is taken. THEval's
    lip dynamics is this variance, over all frames instead of those with speech. NaN for fewer than two frames.
    """
    if len(mouths) < 2:
        return math.nan
    variances = [
        np.linalg.norm(mouths[:, one] - mouths[:, other], axis=-1).var(dtype=np.float64)
        for one in range(POINTS)
        for other in range(one)
    ]
    return PERCENT * math.sqrt(np.mean(variances))
