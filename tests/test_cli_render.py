"""dd-render with untrained tiny weights on made-up faces: several speakers, parts, resuming, every kind of output."""

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from commands import call
from factories import (
    dummy_face_landmarks,
    dummy_lossless_video,
    dummy_renderer,
    dummy_voice,
    dummy_warp_renderer,
)

from dd_tools.formats.parts import parts_folder
from dd_tools.media.audio import read_audio
from dd_tools.media.ffmpeg import ffmpeg_path
from dd_tools.media.images import read_image
from dd_tools.media.video import probe, read_frames
from dd_tools.pipeline import output as rendering

LENGTH = 26
JOIN = Path(__file__).resolve().parents[1] / "examples" / "slurm" / "join.py"


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """A video of 26 frames with two made-up faces, a clip of each, latents for both, audio of one second."""
    folder = tmp_path_factory.mktemp("studio")
    random = np.random.default_rng(0)
    dummy_lossless_video(folder / "video.mkv", list(random.integers(60, 190, (LENGTH, 96, 192, 3)).astype(np.uint8)))
    dummy_renderer(folder / "diffdub.safetensors")
    dummy_warp_renderer(folder / "warp.safetensors")
    dummy_voice(folder / "audio.wav", seconds=1)
    for name, shift in (("left", 0), ("right", 96)):
        landmarks = dummy_face_landmarks() + np.array([shift, 0])
        np.save(folder / f"{name}-landmarks.npy", np.tile(landmarks, (LENGTH, 1, 1)))
        outcome = call(
            "dd-prep", folder / "video.mkv", "-o", folder / f"{name}.h5", "--size", "32", "--landmarks",
            folder / f"{name}-landmarks.npy",
        )  # fmt: skip
        assert outcome.status == 0, outcome.errors
        for kind, z_size in (("diffdub", 16), ("warp", 66)):
            np.save(folder / f"{name}-{kind}.npy", random.normal(size=(LENGTH, z_size)).astype(np.float32))
    return folder


@pytest.fixture
def short_parts(monkeypatch):
    monkeypatch.setattr(rendering, "PART", 8)


def arguments(studio, output, *options, who=("left",), kind="diffdub") -> list:
    """The command line that paints the clips `who` with a renderer of this kind, in few steps."""
    latents = [option for name in who for option in ("--latents", studio / f"{name}-{kind}.npy")]
    weights = ["--renderer", studio / f"{kind}.safetensors", *(["--steps", "2"] if kind == "diffdub" else [])]
    return [*(studio / f"{name}.h5" for name in who), "-o", output, *latents, *weights, *options]


def render(studio, output, *options, **choices):
    outcome = call("dd-render", *arguments(studio, output, *options, **choices))
    assert outcome.status == 0, outcome.errors
    return output


def images(path):
    return np.stack([frame.image for frame in read_frames(path)])


@pytest.mark.parametrize("kind", ["diffdub", "warp"])
def test_outside_the_mask_every_pixel_is_the_sources(studio, tmp_path, kind):
    output = render(studio, tmp_path / "out.mkv", "--lossless", kind=kind)
    before, after = images(studio / "video.mkv"), images(output)
    changed = (before != after).any((0, 3))
    assert not changed[:, 96:].any() and changed.any()
    assert not changed[:36].any()


@pytest.mark.parametrize("kind", ["diffdub", "warp"])
def test_two_speakers_share_one_frame(studio, tmp_path, kind):
    both = images(render(studio, tmp_path / "both.mkv", "--lossless", who=("left", "right"), kind=kind))
    left, right = (
        images(render(studio, tmp_path / f"{who}.mkv", "--lossless", who=(who,), kind=kind))
        for who in ("left", "right")
    )
    np.testing.assert_array_equal(both[:, :, :96], left[:, :, :96])
    np.testing.assert_array_equal(both[:, :, 96:], right[:, :, 96:])


def packets(path) -> tuple[dict, list[tuple]]:
    """The metadata and everything that is encoded, with its times."""
    with av.open(str(path)) as container:
        found = [(one.stream.index, one.pts, one.dts, one.duration, bytes(one)) for one in container.demux()]
        return dict(container.metadata), found


def test_parts_joined_by_the_example_are_the_whole(studio, tmp_path, short_parts):
    audio, source = ("--audio", studio / "audio.wav"), ("--source", studio / "video.mkv")
    whole = render(studio, tmp_path / "whole.mp4", *audio)
    parts = [
        render(studio, tmp_path / f"{start:08d}.mp4", "--frames", f"{start}:{end}")
        for start, end in ((0, 16), (16, 24), (24, ""))
    ]
    clip, motion, joined = studio / "left.h5", studio / "left-diffdub.npy", tmp_path / "joined.mp4"
    subprocess.run([sys.executable, JOIN, clip, motion, *source, *audio, "-o", joined, *parts], check=True)
    assert packets(joined) == packets(whole)


@pytest.mark.parametrize("kind", ["diffdub", "warp"])
def test_parts_joined_are_the_whole(studio, tmp_path, short_parts, kind):
    whole = images(render(studio, tmp_path / "whole.mp4", kind=kind))
    assert len(whole) == LENGTH
    for number, span in enumerate(("0:8", "8:16", "16:")):
        render(studio, tmp_path / f"part-{number}.mp4", "--frames", span, kind=kind)
    (tmp_path / "parts.txt").write_text("".join(f"file part-{number}.mp4\n" for number in range(3)))
    joined = tmp_path / "joined.mp4"
    command = [ffmpeg_path(), "-v", "error", "-f", "concat", "-i", tmp_path / "parts.txt", "-c", "copy", joined]
    subprocess.run(command, check=True)
    np.testing.assert_array_equal(images(joined), whole)
    times = [frame.pts for frame in read_frames(joined)]
    assert times == pytest.approx([n / 25 for n in range(LENGTH)], abs=1e-3)


def test_a_killed_run_continues_where_it_was(studio, tmp_path, short_parts, monkeypatch):
    whole = images(render(studio, tmp_path / "whole.mp4"))
    written = []
    write_part = rendering._write_part

    def killed_at_the_third(path, frames, *more):
        if len(written) == 2:
            raise KeyboardInterrupt
        write_part(path, frames, *more)
        written.append(path.name)

    monkeypatch.setattr(rendering, "_write_part", killed_at_the_third)
    assert call("dd-render", *arguments(studio, tmp_path / "out.mp4")).status == 130
    assert not (tmp_path / "out.mp4").exists()
    assert sorted(path.name for path in (tmp_path / "out.mp4.parts").glob("*.mp4")) == ["00000000.mp4", "00000008.mp4"]

    written.clear()
    monkeypatch.setattr(rendering, "_write_part", lambda *a: (write_part(*a), written.append(a[0].name)))
    render(studio, tmp_path / "out.mp4", "--resume")
    assert written == ["00000016.mp4", "00000024.mp4"]
    np.testing.assert_array_equal(images(tmp_path / "out.mp4"), whole)
    assert not (tmp_path / "out.mp4.parts").exists()


def test_parts_of_another_job_are_not_taken(studio, tmp_path, short_parts, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rendering, "join", killed)
        call("dd-render", *arguments(studio, tmp_path / "out.mp4", "--seed", "1"))
    assert len(list((tmp_path / "out.mp4.parts").glob("*.mp4"))) == 4
    render(studio, tmp_path / "out.mp4", "--resume", "--seed", "2")
    np.testing.assert_array_equal(
        images(tmp_path / "out.mp4"), images(render(studio, tmp_path / "afresh.mp4", "--seed", "2"))
    )


def test_noise_from_a_file_replaces_the_seed(studio, tmp_path):
    np.save(tmp_path / "noise.npy", np.random.default_rng(1).standard_normal((3, 32, 32)))
    options = ("--lossless", "--crop-only", "--frames", "0:2")
    seeded = images(render(studio, tmp_path / "seeded.mkv", *options))
    given, again = (
        images(render(studio, tmp_path / f"{seed}.mkv", *options, "--x-t", tmp_path / "noise.npy", "--seed", seed))
        for seed in ("0", "1")
    )
    assert np.array_equal(given, again) and not np.array_equal(given, seeded)


def test_longer_audio_plays_the_video_back_and_forth(studio, tmp_path):
    np.save(tmp_path / "long.npy", np.zeros((40, 16), np.float32))
    output = tmp_path / "out.mkv"
    outcome = call(
        "dd-render", studio / "left.h5", "-o", output, "--latents", tmp_path / "long.npy", "--loop", "bounce",
        "--renderer", studio / "diffdub.safetensors", "--steps", "1", "--lossless",
    )  # fmt: skip
    assert outcome.status == 0, outcome.errors
    before, after = images(studio / "video.mkv"), images(output)
    order = [*range(LENGTH), *range(LENGTH - 2, LENGTH - 2 - 14, -1)]
    np.testing.assert_array_equal(after[:, :36], before[order][:, :36])


def test_numbered_images_are_the_frames_of_the_lossless_video(studio, tmp_path):
    video = images(render(studio, tmp_path / "out.mkv", "--lossless", kind="warp"))
    render(studio, tmp_path / "%04d.png", "--frames", "3:7", kind="warp")
    for number in range(3, 7):
        np.testing.assert_array_equal(read_image(tmp_path / f"{number:04d}.png"), video[number])
    assert len(list(tmp_path.glob("*.png"))) == 4


def test_the_source_is_followed_and_the_result_is_marked(studio, tmp_path):
    output = render(
        studio, tmp_path / "out.mkv", "--codec", "vp9", "--audio", studio / "audio.wav", "--metadata", "title=Mine"
    )
    assert (probe(output).codec, probe(output).pixel_format) == ("vp9", "yuv444p")
    lines = subprocess.run([ffmpeg_path(), "-i", output], capture_output=True, text=True).stderr.lower()
    assert "compositewithtrainedalgorithmicmedia" in lines and "mine" in lines
    assert len(read_audio(output)) / 16000 == pytest.approx(LENGTH / 25, abs=0.13)


def test_a_distilled_renderer_paints_in_its_own_steps_and_no_others(studio, tmp_path):
    student = dummy_renderer(tmp_path / "student.safetensors", timesteps=(950, 450))
    with_steps = arguments(studio, tmp_path / "with.mkv", "--lossless", "--renderer", student)
    place = with_steps.index("--steps")
    without = [*with_steps[:place], *with_steps[place + 2 :], "-o", tmp_path / "without.mkv"]
    for line in (with_steps, without):
        assert call("dd-render", *line).status == 0
    assert np.array_equal(images(tmp_path / "with.mkv"), images(tmp_path / "without.mkv"))
    assert not np.array_equal(images(tmp_path / "with.mkv"), images(render(studio, tmp_path / "two.mkv", "--lossless")))
    for options in (("--steps", 20), ("--solver", "unipc")):
        assert call("dd-render", *without, *options) == (
            2, "", "dd-render: the renderer is distilled: it paints in 2 ddim steps only; leave out steps and solver\n",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "options", "status", "complaint"),
    [
        ("diffdub", ("--codec", "divx"), 2, "unknown codec 'divx'"),
        ("diffdub", ("--loop", "twice"), 2, "unknown loop 'twice'"),
        ("diffdub", ("--metadata", "title"), 2, "metadata must be KEY=VALUE, got 'title'"),
        ("diffdub", ("--latents", "left-diffdub.npy"), 2, "1 clips need as many --latents, got 2"),
        ("diffdub", ("--frames", "40:"), 1, "no frames to render"),
        ("diffdub", ("--frames", "1-2"), 2, "frames must be A:B with whole numbers, got '1-2'"),
        ("diffdub", ("--frames", "0:2", "--audio", "audio.wav"), 2, "--frames renders a part without audio"),
        ("diffdub", ("--dtype", "int8"), 2, "unknown dtype 'int8', expected auto, fp32, bf16, fp16"),
        ("warp", ("--device", "cuda:99"), 2, "on this machine"),
        ("warp", ("--device", "gpu"), 2, "unknown device 'gpu', expected auto, cpu, cuda, mps or cuda:N"),
        ("diffdub", ("--x-t", "left-diffdub.npy"), 1, "'left-diffdub.npy': shape (26, 16), expected (3, S, S)"),
        ("diffdub", ("--steps", "0"), 2, "invalid value for '--steps'"),
        ("diffdub", ("--solver", "heun"), 2, "unknown solver 'heun', expected ddim, dpm-solver++, unipc"),
        # A renderer that paints in one forward pass has neither noise nor steps.
        ("warp", ("--steps", "2"), 2, "dd-render: this renderer has no option --steps"),
        ("warp", ("--solver", "ddim"), 2, "dd-render: this renderer has no option --solver"),
        ("warp", ("--seed", "0"), 2, "dd-render: this renderer has no option --seed"),
        ("warp", ("--x-t", "noise.npy"), 2, "dd-render: this renderer has no option --x-t"),
    ],
)
def test_what_cannot_be_rendered_is_one_line_and_leaves_nothing(
    studio, tmp_path, monkeypatch, kind, options, status, complaint
):
    monkeypatch.chdir(studio)
    np.save("noise.npy", np.zeros((3, 32, 32), np.float32))
    outcome = call("dd-render", *arguments(studio, tmp_path / "out.mp4", *options, kind=kind))
    assert outcome.status == status
    assert complaint in outcome.errors and outcome.errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_two_runs_with_one_target_do_not_mix(studio, tmp_path):
    with parts_folder(tmp_path / "out.mp4", {}) as folder:
        (folder / "00000000.mp4").write_text("mine")
        outcome = call("dd-render", *arguments(studio, tmp_path / "out.mp4"))
        assert (outcome.status, (folder / "00000000.mp4").read_text()) == (1, "mine")
        assert "another process is writing it" in outcome.errors


@pytest.mark.slow
def test_four_at_once_in_one_folder_do_not_meet(studio, tmp_path):
    """Side by side as processes of their own, on the same clip, each with a target of its own."""
    script = "from dd_tools.cli.render import run; run()"
    jobs = []
    for number in range(4):
        options = arguments(studio, tmp_path / f"{number}.mkv", "--lossless", "--crop-only", kind="warp")
        jobs.append(subprocess.Popen([sys.executable, "-c", script, *options], stderr=subprocess.PIPE))
    assert [(job.wait(), job.stderr.read().count(b"Traceback")) for job in jobs] == [(0, 0)] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{number}.mkv" for number in range(4)]
    first, *others = (images(tmp_path / f"{number}.mkv") for number in range(4))
    for other in others:
        np.testing.assert_array_equal(other, first)
