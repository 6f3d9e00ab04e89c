"""The speaker is the face whose lips move in time with the sound."""

import numpy as np
import pytest
from factories import dummy_face_at, dummy_voice

from dd_tools.face.tracking.active_speaker import audio_energy, speaking_tracks
from dd_tools.face.tracking.face_tracks import FaceTrack

FRAME = np.zeros((200, 400, 3), np.uint8)


def track(indices, apertures=None, shot=0, x=60) -> FaceTrack:
    result = FaceTrack(shot)
    for position, index in enumerate(indices):
        result.add(index, FRAME, dummy_face_at(x, opening=0 if apertures is None else apertures[position]))
    return result


class TestSpeaking:
    PTS = np.arange(100) / 25

    def syllables(self, seed: int) -> np.ndarray:
        """Lip apertures (100,) that change a few times per second."""
        steps = np.random.default_rng(seed).uniform(0, 0.3, 34)
        return np.interp(self.PTS, np.arange(34) * 0.12, steps)

    def energy(self, apertures: np.ndarray) -> np.ndarray:
        return np.interp((np.arange(400) + 0.5) / 100, self.PTS, 10 ** (10 * apertures - 4))

    @pytest.mark.parametrize("seed", range(5))
    def test_of_two_moving_mouths_the_one_in_time_with_the_sound_is_chosen(self, seed):
        one, other = self.syllables(seed), self.syllables(seed + 100)
        tracks = [track(range(100), one), track(range(100), other, x=200)]
        assert speaking_tracks(tracks, self.PTS, self.energy(one)) == [tracks[0]]
        assert speaking_tracks(tracks, self.PTS, self.energy(other)) == [tracks[1]]

    def test_without_sound_the_most_active_lips_are_chosen(self):
        tracks = [track(range(100), 0.3 * self.syllables(1)), track(range(100), self.syllables(2))]
        assert speaking_tracks(tracks, self.PTS, None) == [tracks[1]]

    def test_lips_that_hardly_move_are_not_chosen_even_if_they_correlate(self):
        aperture = self.syllables(3)
        tracks = [track(range(100), 0.02 * aperture), track(range(100), self.syllables(4))]
        assert speaking_tracks(tracks, self.PTS, self.energy(aperture)) == [tracks[1]]

    def test_each_shot_has_a_speaker(self):
        tracks = [track(range(50), self.syllables(5)[:50]), track(range(50, 100), self.syllables(6)[50:], shot=1)]
        assert speaking_tracks(tracks, self.PTS, self.energy(self.syllables(5))) == tracks
        assert speaking_tracks([track([3])], self.PTS, self.energy(self.syllables(5)))[0].indices[0] == 3


def test_energy_follows_the_sound(tmp_path):
    energy = audio_energy(dummy_voice(tmp_path / "voice.wav", seconds=2))
    assert len(energy) == 200
    swell = 1 + np.sin(2 * np.pi * 4 * (np.arange(200) + 0.5) / 100)
    assert np.corrcoef(np.sqrt(energy), swell)[0, 1] > 0.8
    assert (audio_energy(dummy_voice(tmp_path / "silence.wav", loudness=0)) == 0).all()
