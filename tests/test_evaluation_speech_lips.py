"""Lips in speech and pauses, of hand-made apertures and audio whose speech is known."""

import math

import numpy as np
import pytest
from factories import dummy_face_landmarks, dummy_pose

from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.measures.speech_lips import LABELS, SpeechLips, dynamics, restlessness
from dd_tools.face.geometry import scale_of

BLANK = np.zeros((96, 96, 3), np.uint8)
KEYS = [label.key for label in LABELS]
PAUSE = np.arange(100) < 50  # of 4 s at 25 fps
AUDIO = np.sin(np.arange(64_000)) * np.repeat([0, 0.1], 32_000)  # 2 s of silence, then a tone
# The loudness in the speech: the tone is as loud as its frame.
SYLLABLES = np.repeat(np.where(PAUSE, 0, 0.5 + 0.4 * np.sin(np.arange(100))), 640)


def face(aperture: float, index: int, zoom: float = 1.0, fps: float = 25.0) -> FaceFrame:
    """A face with an aperture in interocular distances; NaN hides it."""
    landmarks = dummy_face_landmarks()
    landmarks[[67, 66, 65]] = landmarks[[61, 62, 63]] + np.float32([0, aperture * scale_of(dummy_pose())])
    return FaceFrame(BLANK, None if math.isnan(aperture) else landmarks * np.float32(zoom), index / fps)


def values(truth, generated, audio=AUDIO, zoom: float = 1.0, fps: float = 25.0) -> dict[str, float]:
    measure = SpeechLips(np.array_split(np.float32(audio), 3))
    for index, (true, other) in enumerate(zip(truth, generated, strict=True)):
        measure.add(FramePair(face(true, index, fps=fps), face(other, index, zoom, fps)))
    return dict(zip(KEYS, measure.results(), strict=True))


def wave(size: float) -> np.ndarray:
    """Apertures that alternate, `size` from their mean."""
    return 0.2 + size * np.resize([1, -1], 100)


def test_what_the_lips_do_in_pauses_is_told_from_what_they_do_in_speech():
    restless = values(wave(0), np.where(PAUSE, wave(0.04), 0.2))
    assert restless["silent_lips"] == pytest.approx(4, abs=0.01)
    assert restless["silent_lips_truth"] == pytest.approx(0, abs=1e-3)
    assert restless["lip_dynamics"] == pytest.approx(0, abs=1e-3)
    lively = values(np.where(PAUSE, 0.2, wave(0.02)), np.where(PAUSE, 0.2, wave(0.04)))
    assert lively["silent_lips"] == pytest.approx(0, abs=1e-3)
    assert lively["lip_dynamics"] == pytest.approx(2 * lively["lip_dynamics_truth"], rel=0.05)
    assert lively["lip_dynamics_truth"] > 0.5


def test_a_video_has_its_own_values():
    lips = np.random.default_rng(0).uniform(0, 0.4, 100)
    same = values(lips, lips, AUDIO * SYLLABLES)
    for key in ("silent_lips", "lip_dynamics", "loudness_r"):
        assert same[key] == same[f"{key}_truth"]


def test_the_size_of_the_face_does_not_matter():
    lips = np.random.default_rng(0).uniform(0, 0.4, (2, 100))
    heard = AUDIO * SYLLABLES
    assert values(*lips, heard, zoom=3) == pytest.approx(values(*lips, heard), abs=1e-3)


def test_lips_that_follow_the_loudness():
    loudness = SYLLABLES[::640]
    found = values(0.2 - 0.1 * loudness, 0.1 + 0.2 * loudness, AUDIO * SYLLABLES)
    assert found["loudness_r"] == pytest.approx(1, abs=0.01)
    assert found["loudness_r_truth"] == pytest.approx(-1, abs=0.01)
    unrelated = values(wave(0), 0.1 + 0.2 * np.roll(loudness, 20), AUDIO * SYLLABLES)
    assert abs(unrelated["loudness_r"]) < 0.9
    assert math.isnan(unrelated["loudness_r_truth"])


def test_frames_are_heard_at_their_times():
    """At 50 fps, 98 frames last almost 2 s, in which nothing is heard."""
    found = values(wave(0)[:98], wave(0.04)[:98], fps=50)
    assert found["silent_lips"] == pytest.approx(4, abs=0.01)
    assert math.isnan(found["lip_dynamics"])


def test_frames_without_a_face_and_beyond_the_audio_are_left_out():
    lips = np.where(PAUSE, wave(0.04), wave(0.02))
    hidden = np.where(np.arange(100) % 7 == 3, math.nan, lips)
    assert values(lips, hidden) == values(hidden, lips) == values(hidden, hidden)
    assert values(lips[:100], lips, AUDIO[:48_000]) == values(lips[:75], lips[:75])


@pytest.mark.parametrize(
    ("audio", "known"),
    [([], []), (np.zeros(64_000), ["silent_lips", "silent_lips_truth"]), (np.zeros(700), [])],
    ids=["none", "silence", "one frame"],
)
def test_without_audio_pauses_or_speech_there_are_no_values(audio, known):
    found = values(wave(0.1), wave(0.1), audio)
    assert [key for key, value in found.items() if not math.isnan(value)] == known


def test_restlessness_is_the_median_distance_from_the_mean():
    assert restlessness(np.array([0.0, 0.0, 0.01, 0.03])) == pytest.approx(1)
    assert math.isnan(restlessness(np.zeros(1)))


def test_dynamics_of_a_mouth_that_grows():
    """All distances grow by a tenth and back: their deviations are a twentieth of their means."""
    mouth = np.random.default_rng(0).uniform(0, 1, (20, 2))
    one, other = np.triu_indices(20, 1)
    distances = np.linalg.norm(mouth[one] - mouth[other], axis=1)
    found = dynamics(np.stack([mouth, 1.1 * mouth] * 5))
    assert found == pytest.approx(5 * math.sqrt(np.mean(distances**2)))
