"""dd-dub and dd-render end to end with untrained tiny weights on a real face."""

import cv2
import numpy as np
import pytest
from commands import call
from factories import dummy_lossless_video, dummy_motion_model, dummy_portrait, dummy_renderer, dummy_voice

from dd_tools.media.audio import read_audio
from dd_tools.media.video import probe, read_frames

pytest.importorskip("mediapipe", reason="needs the embedded face detector")


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """A folder with weights, a voice of 0.6 s, a portrait, and a video of 12 frames in which the portrait drifts."""
    folder = tmp_path_factory.mktemp("studio")
    dummy_renderer(folder / "renderer.safetensors")
    dummy_motion_model(folder / "motion.safetensors")
    dummy_voice(folder / "voice.wav", seconds=0.6)
    portrait = cv2.imread(str(dummy_portrait(folder / "portrait.png")))[..., ::-1]
    dummy_lossless_video(folder / "video.mkv", [np.roll(portrait, shift, axis=1) for shift in range(12)])
    return folder


def dub(studio, source, output, *options):
    weights = ("--renderer", studio / "renderer.safetensors", "--motion", studio / "motion.safetensors")
    return call("dd-dub", studio / source, studio / "voice.wav", "-o", output, "--steps", "2", *weights, *options)


def test_a_portrait_speaks_as_long_as_the_voice(studio, tmp_path):
    outcome = dub(studio, "portrait.png", tmp_path / "out.mp4")
    assert outcome.status == 0, outcome.errors
    info = probe(tmp_path / "out.mp4")
    assert (info.width, info.height, info.frame_rate) == (240, 240, 25)
    assert len(list(read_frames(tmp_path / "out.mp4"))) == 15
    sound, voice = read_audio(tmp_path / "out.mp4"), read_audio(studio / "voice.wav")
    assert len(sound) == pytest.approx(len(voice), abs=1600)


def test_a_video_keeps_its_frames_and_only_the_lower_face_changes(studio, tmp_path):
    outcome = dub(studio, "video.mkv", tmp_path / "out.mp4")
    assert outcome.status == 0, outcome.errors
    before, after = (
        np.stack([f.image for f in read_frames(path)]) for path in (studio / "video.mkv", tmp_path / "out.mp4")
    )
    assert before.shape == after.shape
    difference = np.abs(before.astype(int) - after).mean((0, 3))
    assert difference[:60].mean() < 3  # hair and above: what the codec loses
    assert difference[120:180, 90:150].mean() > 10  # the mouth


def test_crop_only_and_the_stages_one_by_one_give_the_same_frames(studio, tmp_path):
    weights = {name: studio / f"{name}.safetensors" for name in ("renderer", "motion")}
    assert dub(studio, "video.mkv", tmp_path / "at-once.mp4", "--crop-only").status == 0
    for command in (
        ("dd-prep", studio / "video.mkv", "-o", tmp_path / "clip.h5", "--size", "32"),
        ("dd-audio", studio / "voice.wav", "-o", tmp_path / "speech.npy", "--weights", weights["motion"]),
        ("dd-encode", tmp_path / "clip.h5", "-o", tmp_path / "latents.npy", "--renderer", weights["renderer"]),
        (
            "dd-generate", tmp_path / "speech.npy", "-o", tmp_path / "motion.npy", "--reference", tmp_path /
            "latents.npy", "--motion", weights["motion"],
        ),
        (
            "dd-render", tmp_path / "clip.h5", "-o", tmp_path / "staged.mp4", "--latents", tmp_path / "motion.npy",
            "--audio", studio / "voice.wav", "--renderer", weights["renderer"], "--crop-only", "--steps", "2",
        ),
    ):  # fmt: skip
        outcome = call(*command)
        assert outcome.status == 0, outcome.errors
    at_once, staged = ([f.image for f in read_frames(tmp_path / name)] for name in ("at-once.mp4", "staged.mp4"))
    assert len(at_once) == len(staged) == 12 and at_once[0].shape == (32, 32, 3)
    # The one-process chain cuts the voice to the video first, so the last frames may hear a different end.
    np.testing.assert_allclose(np.stack(at_once[:6]).astype(int), np.stack(staged[:6]), atol=40)
    assert np.abs(np.stack(at_once[:6]).astype(int) - np.stack(staged[:6])).mean() < 2


def test_the_renderer_can_be_adapted_to_the_speaker_first(studio, tmp_path):
    plain, adapted = tmp_path / "plain.mp4", tmp_path / "adapted.mp4"
    assert dub(studio, "video.mkv", plain, "--lossless").status == 0
    outcome = dub(studio, "video.mkv", adapted, "--lossless", "--adapt", "0.01")
    assert outcome.status == 0, outcome.errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapted.mp4", "plain.mp4"]
    first, second = (next(iter(read_frames(path))).image for path in (plain, adapted))
    assert not np.array_equal(first, second)


def test_a_face_is_chosen_and_all_is_not_a_choice(studio, tmp_path):
    outcome = dub(studio, "video.mkv", tmp_path / "out.mp4", "--at", "5,5")
    assert outcome.status == 1 and "5,5" in outcome.errors
    outcome = dub(studio, "video.mkv", tmp_path / "out.mp4", "--face", "all")
    assert (outcome.status, outcome.errors.count("\n")) == (2, 1) and "dd-prep --face all" in outcome.errors
    assert list(tmp_path.iterdir()) == []
