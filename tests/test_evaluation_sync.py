"""SyncNet's layers, the search for the offset, and a whole clip, against a rewrite of the published code."""

import math
import sys

import cv2
import numpy as np
import pytest
import torch
from factories import dummy_voice, shared_file
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.errors import DataError
from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.measures.sync.lse import LipSync, audio_of
from dd_tools.evaluation.measures.sync.shifts import MAX_SHIFT, ShiftDistances
from dd_tools.evaluation.measures.sync.syncnet import SyncExpert, SyncNet
from dd_tools.media.audio import read_audio


class Colours:
    """Stands in for `SyncExpert`: embeds windows of frames by their colour and windows of MFCC by their energy."""

    sha256, is_public = "0" * 64, False

    def lips(self, faces: np.ndarray) -> np.ndarray:
        return np.stack([faces[index : index + 5, ::32, ::32].mean((0, 1, 2)) for index in range(len(faces) - 4)])

    def audio(self, windows: np.ndarray) -> np.ndarray:
        return windows[:, :, :3].mean(1)


def published(lips: np.ndarray, audio: np.ndarray) -> tuple[float, float, float]:
    """LSE-D, LSE-C and offset as the authors compute them, on torch and without blocks."""
    lips, audio = torch.from_numpy(lips), torch.from_numpy(audio)
    padded = torch.nn.functional.pad(audio, (0, 0, MAX_SHIFT, MAX_SHIFT))
    windows = padded.unfold(0, 2 * MAX_SHIFT + 1, 1).transpose(1, 2)
    distances = torch.stack([
        torch.nn.functional.pairwise_distance(one[None].expand_as(window), window)
        for one, window in zip(lips, windows, strict=True)
    ])  # fmt: skip
    mean = distances.mean(0)
    lowest, place = mean.min(0)
    return float(lowest), float(mean.median() - lowest), float(MAX_SHIFT - place)


def scores(shifts: ShiftDistances) -> tuple[float, float, float]:
    mean = shifts.mean()
    return float(mean.min()), float(np.median(mean) - mean.min()), float(MAX_SHIFT - mean.argmin())


@settings(max_examples=40, deadline=None)
# With fewer windows, several shifts meet only padding and their order is arbitrary.
@given(st.integers(MAX_SHIFT + 1, 90), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_distances_are_the_published_ones_for_any_blocks(count, block, seed):
    lips, audio = np.random.default_rng(seed).normal(size=(2, count, 8))
    shifts = ShiftDistances()
    for start in range(0, count, block):
        shifts.add(lips[start : start + block], audio[start : start + block])
    assert scores(shifts) == pytest.approx(published(lips, audio), abs=1e-6)


@pytest.mark.parametrize("shift", [-15, -4, 0, 1, 15])
def test_a_known_shift_is_found(shift):
    """Audio that is `shift` frames late has the offset −shift, and fits exactly there."""
    features = np.random.default_rng(3).normal(size=(400, 16))
    shifts = ShiftDistances()
    shifts.add(features[50:350], features[50 - shift : 350 - shift])
    distance, confidence, offset = scores(shifts)
    assert offset == -shift
    # Where the audio ends before the lips, a few windows meet zeros.
    assert distance < 0.3
    assert confidence > 4


def frames_of(count: int, fps: float = 25) -> list[FramePair]:
    colours = np.random.default_rng(1).integers(0, 256, (count, 3), np.uint8)
    frames = [FaceFrame(np.full((40, 40, 3), colour), None, index / fps) for index, colour in enumerate(colours)]
    return [FramePair(frame, frame) for frame in frames]


def measured(frames: list[FramePair], audio, expert=None) -> LipSync:
    measure = LipSync(expert or Colours(), "lrs", audio)
    for frame in frames:
        measure.add(frame)
    return measure


@pytest.mark.parametrize(("frames", "seconds"), [(60, 5), (60, 1.51), (26, 5), (6, 5)])
def test_a_clip_is_measured_up_to_the_end_of_frames_or_audio(tmp_path, frames, seconds):
    path = dummy_voice(tmp_path / "voice.wav", seconds=seconds)
    speech_features = pytest.importorskip("python_speech_features")
    shown, samples = frames_of(frames), np.rint(read_audio(path) * 32768).astype(np.int16)
    faces = np.stack([cv2.resize(frame.generated.pixels, (224, 224))[..., ::-1] for frame in shown])
    rows = speech_features.mfcc(samples, 16000)
    count = min(frames, len(samples) // 640) - 5
    windows = np.stack([rows[4 * index : 4 * index + 20] for index in range(count)])
    expected = published(Colours().lips(faces)[:count], Colours().audio(windows))
    assert measured(shown, audio_of(path)).results() == pytest.approx(expected, rel=1e-6)


def test_other_frame_rates_are_resampled_to_25(tmp_path):
    path = dummy_voice(tmp_path / "voice.wav", seconds=2)
    shown = frames_of(40)
    doubled = [frame for frame in shown for _ in "ab"][:-1]  # one more would add a frame at 25 fps
    at_50 = [
        FramePair(face_frame, face_frame)
        for index, frame in enumerate(doubled)
        for face_frame in [FaceFrame(frame.generated.pixels, None, index / 50)]
    ]
    assert measured(at_50, audio_of(path)).results() == pytest.approx(measured(shown, audio_of(path)).results())


def test_what_cannot_be_decoded_of_the_audio_is_said(tmp_path):
    whole, said = dummy_voice(tmp_path / "voice.flac", seconds=5), []
    damaged = tmp_path / "damaged.flac"
    damaged.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    for path in (whole, damaged):
        measured(frames_of(100), audio_of(path, said.append)).results()
    (line,) = said
    assert line.startswith(f"'{damaged}' is damaged: ")


def test_a_clip_that_is_too_short_has_a_fault(tmp_path):
    path = dummy_voice(tmp_path / "voice.wav", seconds=1)
    short, silent = measured(frames_of(5), audio_of(path)), measured(frames_of(50), audio_of(None))
    assert all(map(math.isnan, short.results() + silent.results()))
    assert short.fault == "too short for LSE: fewer than 6 frames (0.24 s) with audio"
    assert silent.fault is None  # reported elsewhere


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SyncNet()
    path = tmp_path_factory.mktemp("syncnet") / "noise.model"
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=False)
    return path


def test_windows_of_lips_share_work_but_not_values(weights):
    expert = SyncExpert(weights)
    faces = np.random.default_rng(0).integers(0, 256, (6, 224, 224, 3), np.uint8)
    together, apart = expert.lips(faces), np.concatenate([expert.lips(faces[:5]), expert.lips(faces[1:])])
    assert together.shape == (2, 1024)
    assert together == pytest.approx(apart, abs=1e-4)


def test_weights_are_identified(weights, tmp_path):
    expert = SyncExpert(weights)
    assert not expert.is_public
    labels = LipSync(expert, "real", iter(())).labels
    assert labels[0].settings.startswith(f"syncnet-{expert.sha256[:8]}-unknown,real-")
    torch.save({"netcnnaud.0.weight": torch.zeros(1)}, tmp_path / "bad.model")
    with pytest.raises(
        DataError, match=r"bad.model' as SyncNet: 'netcnnaud.0.weight' has shape \(1,\), expected \(64, 1, 3, 3\)"
    ):
        SyncExpert(tmp_path / "bad.model")


@pytest.mark.clips
def test_names_and_shapes_are_the_public_ones():
    import json

    rows = json.loads(shared_file("golden/syncnet.spec.json").read_text())
    assert {name: list(tensor.shape) for name, tensor in SyncNet().state_dict().items()} == dict(rows)


@pytest.mark.clips
@pytest.mark.slow
def test_the_authors_numbers(tmp_path, monkeypatch):
    """The authors' code on these weights, the first 75 frames decoded by OpenCV as theirs were."""
    monkeypatch.syspath_prepend(str(shared_file("golden")))
    import vectors

    state = vectors.state(shared_file("golden/syncnet.spec.json"))
    torch.save({name: torch.as_tensor(value) for name, value in state.items()}, tmp_path / "golden.model")
    video = shared_file("data/heldout/RD_Radio22.mp4")
    capture = cv2.VideoCapture(str(video))
    shown = [FaceFrame(capture.read()[1][..., ::-1], None, index / 25) for index in range(75)]
    frames = [FramePair(frame, frame) for frame in shown]
    found = measured(frames, audio_of(video), SyncExpert(tmp_path / "golden.model")).results()
    assert found == pytest.approx((790.646, 2.0009, -15), abs=2e-3)
    sys.modules.pop("vectors")
