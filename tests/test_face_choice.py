"""Whose clip it becomes."""

from pathlib import Path

import numpy as np
import pytest
from factories import dummy_face_at, dummy_voice

from dd_tools.errors import DataError, UsageError
from dd_tools.face.choice import (
    as_speaker,
    at_point,
    by_numbers,
    first_shot_only,
    largest,
    most_central,
    most_prominent,
    sound_energy,
    speaking,
)
from dd_tools.face.company import FaceTrack
from dd_tools.face.settings import PrepSettings

PICTURE = (200, 400)
IMAGE = np.zeros((*PICTURE, 3), np.uint8)
FACES = np.array([dummy_face_at(60, scale=1.1), dummy_face_at(190), dummy_face_at(205, scale=0.6)])


@pytest.mark.parametrize(("choose", "expected"), [(most_prominent, 1), (largest, 0), (most_central, 2)])
def test_choosers_at_first_sight(choose, expected):
    assert choose(FACES, PICTURE) == expected


def test_the_largest_and_most_central_is_prominent():
    for faces, expected in [
        ([dummy_face_at(60), dummy_face_at(200)], 1),
        ([dummy_face_at(200, scale=0.3), dummy_face_at(60)], 1),
        ([dummy_face_at(200, scale=0.9), dummy_face_at(20)], 0),
    ]:
        assert most_prominent(np.array(faces), PICTURE) == expected


@pytest.mark.parametrize(
    ("point", "expected"), [((60, 100), 0), ((30, 60), 0), ((180, 130), 1), ((206, 100), 2), ((330, 100), None)]
)
def test_the_face_at_a_point(point, expected):
    assert at_point(*point)(FACES, PICTURE) == expected


def track(frames, openings=None, shot=0, x=60) -> FaceTrack:
    made = FaceTrack(shot)
    for index, frame in enumerate(frames):
        made.add(frame, IMAGE, dummy_face_at(x, opening=0 if openings is None else openings[index]))
    return made


def test_only_the_first_shot_in_which_the_face_stays_counts():
    shots = np.repeat([0, 1, 2], 8)
    landmarks = np.tile(dummy_face_at(60), (24, 1, 1))
    landmarks[2:8] = np.nan
    kept = np.isfinite(first_shot_only(landmarks, shots)[:, 0, 0])
    assert list(kept) == [False] * 8 + [True] * 8 + [False] * 8
    assert np.isfinite(first_shot_only(landmarks[:1], shots[:1])).all()
    assert np.isnan(first_shot_only(landmarks[2:6], shots[2:6])).all()


def test_faces_by_number():
    tracks = [track(range(5)), track(range(3, 9), x=90), track(range(9, 12), shot=1)]
    assert by_numbers(tracks, (1, 2), Path("v.mp4")) == tracks[1:]
    speaker = as_speaker(tracks[1:], 14)
    assert list(np.isfinite(speaker[:, 0, 0])) == [False] * 3 + [True] * 9 + [False] * 2
    np.testing.assert_array_equal(speaker[3:9], tracks[1].landmarks)
    with pytest.raises(DataError, match=r"no face 3 in 'v\.mp4', which has 0 to 2; see --list-faces"):
        by_numbers(tracks, (0, 3), Path("v.mp4"))
    with pytest.raises(DataError, match=r"no face 1 in 'v\.mp4', which has only 0; see"):
        by_numbers(tracks[:1], (1,), Path("v.mp4"))
    with pytest.raises(DataError, match=r"faces 0, 1 of 'v\.mp4' are seen at once"):
        by_numbers(tracks, (0, 1), Path("v.mp4"))


def test_numbers_of_a_setting():
    assert PrepSettings(face="0,12").numbers == (0, 12)
    assert PrepSettings(face="largest").numbers == ()
    for face in ("", "biggest", "-1", "1,", "1.5", "²"):
        with pytest.raises(UsageError, match=f"unknown face '{face}', expected prominent, largest"):
            PrepSettings(face=face)
    with pytest.raises(UsageError, match="face 'largest' and the face at a point are two choices"):
        PrepSettings(face="largest", at=(1, 2))


class TestSpeaking:
    PTS = np.arange(100) / 25

    def chatter(self, seed: int) -> np.ndarray:
        """Syllables: openings (100,) that change a few times a second."""
        steps = np.random.default_rng(seed).uniform(0, 0.3, 34)
        return np.interp(self.PTS, np.arange(34) * 0.12, steps)

    def energy(self, openings: np.ndarray) -> np.ndarray:
        return np.interp((np.arange(400) + 0.5) / 100, self.PTS, 10 ** (10 * openings - 4))

    @pytest.mark.parametrize("seed", range(5))
    def test_the_voice_tells_who_of_two_talking(self, seed):
        one, other = self.chatter(seed), self.chatter(seed + 100)
        tracks = [track(range(100), one), track(range(100), other, x=200)]
        assert speaking(tracks, self.PTS, self.energy(one)) == [tracks[0]]
        assert speaking(tracks, self.PTS, self.energy(other)) == [tracks[1]]

    def test_without_sound_the_livelier_lips_do(self):
        tracks = [track(range(100), 0.3 * self.chatter(1)), track(range(100), self.chatter(2))]
        assert speaking(tracks, self.PTS, None) == [tracks[1]]

    def test_a_listeners_trembling_lips_do_not_speak_however_well_they_fit(self):
        voice = self.chatter(3)
        tracks = [track(range(100), 0.02 * voice), track(range(100), self.chatter(4))]
        assert speaking(tracks, self.PTS, self.energy(voice)) == [tracks[1]]

    def test_every_shot_has_its_speaker(self):
        tracks = [track(range(50), self.chatter(5)[:50]), track(range(50, 100), self.chatter(6)[50:], shot=1)]
        assert speaking(tracks, self.PTS, self.energy(self.chatter(5))) == tracks
        assert speaking([track([3])], self.PTS, self.energy(self.chatter(5)))[0].frames[0] == 3


def test_the_energy_follows_the_sound(tmp_path):
    energy = sound_energy(dummy_voice(tmp_path / "voice.wav", seconds=2))
    assert len(energy) == 200
    swell = 1 + np.sin(2 * np.pi * 4 * (np.arange(200) + 0.5) / 100)
    assert np.corrcoef(np.sqrt(energy), swell)[0, 1] > 0.8
    assert (sound_energy(dummy_voice(tmp_path / "silence.wav", loudness=0)) == 0).all()
