"""dd-dub with the shipped models and with tiny ones of both kinds on a real face: the same frames as stage by stage."""

import cv2
import numpy as np
import pytest
from both_kinds import write_tiny_models
from commands import call
from factories import dummy_lossless_video, dummy_portrait, dummy_voice

from dd_tools.media.audio import read_audio
from dd_tools.media.codecs import Encoding
from dd_tools.media.encode import VideoWriter
from dd_tools.media.probe import probe
from dd_tools.media.video import read_frames
from dd_tools.weights import default_weights

RATE, LENGTH, GAP = 30000 / 1001, 40, range(12, 17)
SECONDS = LENGTH / RATE
SHIPPED, TINY, PAPER = "shipped", "tiny warp", "tiny diffdub"
SIZES = {SHIPPED: "192", TINY: "32", PAPER: "32"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """A portrait; videos in which it talks and is away for five frames, at 29.97 and at a variable rate; speech."""
    folder = tmp_path_factory.mktemp("studio")
    portrait = cv2.imread(str(dummy_portrait(folder / "portrait.png")))[..., ::-1]
    frames = [np.full_like(portrait, 90) if number in GAP else talking(portrait, number) for number in range(LENGTH)]
    dummy_lossless_video(folder / "video.mkv", frames, RATE)
    with VideoWriter(folder / "variable.mkv", 240, 240, 30, Encoding(lossless=True)) as video:
        for number, frame in enumerate(frames):
            video.write(frame, number / RATE + 0.01 * (number % 3))
    for name, seconds in (("short", 0.7), ("equal", SECONDS), ("long", 2.0)):
        dummy_voice(folder / f"{name}.wav", seconds)
    return folder


def talking(portrait: np.ndarray, number: int) -> np.ndarray:
    """Frame `number` of a video in which the head drifts, the jaw moves and the light changes."""
    drop = round(6 * (1 + np.sin(number / 2)))  # pixels by which the lower face is stretched
    lower = cv2.resize(portrait[150 : 240 - drop], (240, 90))
    light = 0.75 + 0.25 * np.cos(number / 3)
    return np.roll(np.concatenate([portrait[:150], lower]) * light, number // 2, axis=1).astype(np.uint8)


@pytest.fixture(scope="module")
def models(studio):
    """The weights options of --renderer and --motion."""
    tiny = {TINY: write_tiny_models(studio, "warp"), PAPER: write_tiny_models(studio, "diffdub")}
    return {SHIPPED: (default_weights("renderer"), default_weights("motion"))} | tiny


def steps(model: str) -> list[str]:
    return ["--steps", "2"] if model == PAPER else []


def dub(studio, models, model, source, output, *options, audio="equal.wav"):
    renderer, motion = models[model]
    weights = () if model == SHIPPED else ("--renderer", renderer, "--motion", motion)
    return call("dd-dub", studio / source, studio / audio, "-o", output, *weights, *steps(model), *options)


def stage_by_stage(studio, models, model, source, folder, output, *options, audio="equal.wav", hearing=()):
    """The five commands one after another. hearing: options of dd-audio."""
    renderer, motion = models[model]
    clip, speech, latents, generated = (
        folder / name for name in ("clip.h5", "speech.npy", "latents.npy", "motion.npy")
    )
    for command in (
        ("dd-prep", studio / source, "-o", clip, "--size", SIZES[model]),
        ("dd-audio", studio / audio, "-o", speech, "--weights", motion, *hearing),
        ("dd-encode", clip, "-o", latents, "--renderer", renderer),
        ("dd-generate", speech, "-o", generated, "--reference", latents, "--motion", motion),
        (
            "dd-render", clip, "-o", output, "--latents", generated, "--audio", studio / audio,
            "--source", studio / source, "--renderer", renderer, *steps(model), *options,
        ),
    ):  # fmt: skip
        outcome = call(*command)
        assert outcome.status == 0, outcome.errors


def frames_of(path) -> tuple[np.ndarray, list[float]]:
    """All frames (T, H, W, 3) and their times."""
    frames = list(read_frames(path))
    return np.stack([frame.image for frame in frames]).astype(int), [frame.pts for frame in frames]


@pytest.mark.parametrize(
    ("model", "source", "audio", "options", "is_fitted", "length"),
    [
        (SHIPPED, "video.mkv", "equal.wav", (), False, LENGTH),
        (SHIPPED, "video.mkv", "long.wav", (), True, LENGTH),
        (SHIPPED, "portrait.png", "short.wav", (), False, 18),
        (PAPER, "video.mkv", "equal.wav", (), False, LENGTH),
        (PAPER, "video.mkv", "short.wav", (), True, LENGTH),
        (PAPER, "video.mkv", "long.wav", ("--loop", "bounce"), False, 60),
        (TINY, "variable.mkv", "equal.wav", (), False, LENGTH),
        (TINY, "video.mkv", "short.wav", ("--tail", "source"), False, LENGTH),
        (TINY, "video.mkv", "short.wav", ("--tail", "cut"), False, 22),
        (TINY, "video.mkv", "long.wav", ("--loop", "hold", "--crop-only"), False, 60),
    ],
)
def test_all_frames_are_those_of_the_stages_one_after_another(
    studio, models, tmp_path, model, source, audio, options, is_fitted, length
):
    """Within one grey level. Where sound and video differ in length, dd-dub fits the sound to the video."""
    options = ("--lossless", *options)
    # The last frame is shown until the next one would come; MKV has times in milliseconds.
    seconds = frames_of(studio / "video.mkv")[1][-1] + 1 / RATE
    hearing = ("--duration", f"{seconds:.6f}") if is_fitted else ()
    outcome = dub(studio, models, model, source, tmp_path / "once.mkv", *options, audio=audio)
    assert outcome.status == 0, outcome.errors
    stage_by_stage(
        studio, models, model, source, tmp_path, tmp_path / "staged.mkv", *options, audio=audio, hearing=hearing
    )
    (once, times), (staged, staged_times) = (frames_of(tmp_path / f"{name}.mkv") for name in ("once", "staged"))
    assert len(once) == len(staged) == length and times == staged_times
    assert np.abs(once - staged).max() <= 1
    sounds = [read_audio(tmp_path / f"{name}.mkv") for name in ("once", "staged")]
    assert np.array_equal(*sounds)


@pytest.mark.parametrize("model", [SHIPPED, PAPER])
def test_what_is_heard_and_where_there_is_a_face_decides_what_is_painted(studio, models, tmp_path, model):
    """Above the lower face and in the gap every pixel is the source's; other speech moves the mouth otherwise."""
    painted = []
    for audio in ("long.wav", "short.wav"):
        output = tmp_path / f"{audio}.mkv"
        assert dub(studio, models, model, "video.mkv", output, "--lossless", audio=audio).status == 0
        painted.append(frames_of(output)[0])
    before, times = frames_of(studio / "video.mkv")
    assert frames_of(output)[1] == pytest.approx(times, abs=1e-3)
    for after in painted:
        assert np.array_equal(after[:, :60], before[:, :60]) and np.array_equal(after[GAP], before[GAP])
        assert np.abs(after - before)[:, 120:180, 90:170].mean((1, 2, 3))[[0, 20, 39]].min() > 1.5
    assert np.abs(painted[0] - painted[1]).max((1, 2, 3))[25:].min() > 8


def test_a_portrait_speaks_as_long_as_the_audio(studio, models, tmp_path):
    outcome = dub(studio, models, SHIPPED, "portrait.png", tmp_path / "out.mp4", audio="short.wav")
    assert outcome.status == 0, outcome.errors
    info = probe(tmp_path / "out.mp4")
    assert (info.width, info.height, info.frame_rate) == (240, 240, 25)
    assert len(list(read_frames(tmp_path / "out.mp4"))) == 18
    sound, audio = read_audio(tmp_path / "out.mp4"), read_audio(studio / "short.wav")
    assert len(sound) == pytest.approx(len(audio), abs=1600)


def test_numbered_images_are_the_frames_of_the_lossless_video(studio, models, tmp_path):
    (tmp_path / "frames").mkdir()
    assert dub(studio, models, TINY, "video.mkv", tmp_path / "out.mkv", "--lossless").status == 0
    assert dub(studio, models, TINY, "video.mkv", tmp_path / "frames" / "%06d.png").status == 0
    images = [cv2.imread(str(path))[..., ::-1] for path in sorted((tmp_path / "frames").iterdir())]
    assert np.array_equal(np.stack(images), frames_of(tmp_path / "out.mkv")[0])


def test_the_renderer_can_be_adapted_to_the_speaker_first(studio, models, tmp_path):
    plain, adapted = tmp_path / "plain.mkv", tmp_path / "adapted.mkv"
    assert dub(studio, models, TINY, "video.mkv", plain, "--lossless").status == 0
    outcome = dub(studio, models, TINY, "video.mkv", adapted, "--lossless", "--adapt", "0.01")
    assert outcome.status == 0, outcome.errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapted.mkv", "plain.mkv"]
    assert not np.array_equal(frames_of(plain)[0], frames_of(adapted)[0])


@pytest.mark.parametrize(
    ("model", "options", "complaint"),
    [
        (SHIPPED, ("--steps", "2"), "this renderer has no option --steps"),
        (SHIPPED, ("--solver", "unipc"), "this renderer has no option --solver"),
        (SHIPPED, ("--seed", "1"), "this renderer has no option --seed"),
        (PAPER, ("--expression", "1"), "this motion model has no option --expression"),
        (SHIPPED, ("--face", "all"), "dd-dub dubs one face; for all, use dd-prep --face all and dd-render"),
        (SHIPPED, ("--loop", "twice"), "unknown loop 'twice', expected one of stop, hold, bounce"),
        (SHIPPED, ("--tail", "end"), "unknown tail 'end', expected one of silence, source, cut"),
        (SHIPPED, ("--quality", "64"), "quality 64 is out of range, expected 0 (best) to 63"),
    ],
)
def test_options_that_mean_nothing_are_refused_at_once(
    studio, models, tmp_path, monkeypatch, model, options, complaint
):
    """Before the video is looked at, which takes long."""
    monkeypatch.setattr(
        "dd_tools.pipeline.preparation.prepare_clip", lambda *_, **__: pytest.fail("looked at the video")
    )
    outcome = dub(studio, models, model, "video.mkv", tmp_path / "out.mp4", *options)
    assert outcome == (2, "", f"dd-dub: {complaint}\n")
    assert list(tmp_path.iterdir()) == []


def test_models_that_do_not_fit_each_other_are_refused(studio, models, tmp_path):
    mixed = {TINY: (models[TINY][0], models[PAPER][1])}
    outcome = dub(studio, mixed, TINY, "video.mkv", tmp_path / "out.mp4")
    assert outcome == (2, "", "dd-dub: renderer has latents of 66 values, motion model of 16\n")


def test_a_point_without_a_face_is_an_error(studio, models, tmp_path):
    outcome = dub(studio, models, TINY, "video.mkv", tmp_path / "out.mp4", "--at", "5,5")
    assert outcome.status == 1 and "5,5" in outcome.errors
    assert list(tmp_path.iterdir()) == []
