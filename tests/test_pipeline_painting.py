"""One speaker's crops, output frame by output frame, painted by either kind of renderer."""

import numpy as np
import pytest
from both_kinds import of_both_kinds, tiny_renderer
from factories import dummy_clip
from reporters import RecordingReporter
from torch import nn

from dd_tools.diffdub.autoencoder import DiffusionAutoencoder
from dd_tools.errors import DataError, UsageError
from dd_tools.formats.clip import Clip, Framing, Status
from dd_tools.nn.device import OutOfMemory
from dd_tools.pipeline.painting import PaintedFrame, Speaker, compile_renderer
from dd_tools.warp.network import WarpNetwork

OPTIONS = {"diffdub": {"steps": 2}, "warp": {}}


@pytest.fixture
def clip(tmp_path):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=11, unusable=[4, 5])) as clip:
        yield clip


def random_latents(renderer, count: int = 11) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, renderer.z_size)).astype(np.float32)


def paint(kind, clip, latents=None, *, span=None, batch_size=8, loop="stop", **options) -> list[PaintedFrame]:
    renderer = tiny_renderer(kind)
    latents = random_latents(renderer) if latents is None else latents
    speaker = Speaker(clip, latents, renderer, loop=loop, tail="silence", **OPTIONS[kind] | options)
    return list(speaker.paint(span or slice(0, len(speaker.timeline)), batch_size))


def difference(one: list[PaintedFrame], other: list[PaintedFrame]) -> int:
    assert [item.index for item in one] == [item.index for item in other]
    assert [item.pts for item in one] == [item.pts for item in other]
    return max(np.abs(a.crop.astype(int) - b.crop).max() for a, b in zip(one, other, strict=True))


@of_both_kinds
def test_known_pixels_are_exact_and_the_mask_is_painted_where_there_is_a_face(kind, clip):
    for item in paint(kind, clip):
        frame, mask = clip.frames[item.index], clip.mask[item.index]
        assert np.array_equal(item.painted[mask == 0], frame[mask == 0])
        assert np.array_equal(item.known, frame) and np.array_equal(item.mask, mask)
        if clip.status[item.index] == Status.OK:
            assert 0 < item.opacity <= 1 and not np.array_equal(item.crop[mask == 1], frame[mask == 1])
        else:
            assert item.opacity == 0 and np.array_equal(item.crop, frame)


class Echo:
    """A renderer that paints a grey of the latent's value."""

    framing, z_size, painting_options = Framing(32, "face", "steady"), 1, ()

    def painter(self, clip):
        def paint(frames, pts, latents, span):
            return np.tile(latents[span].round().astype(np.uint8)[..., None, None], (1, 32, 32, 3))

        return paint


@pytest.mark.parametrize("fps", [24000 / 1001, 25.0, 30000 / 1001, 50.0])
@pytest.mark.parametrize(("unusable", "span"), [((), slice(0, 20)), ((4, 5), slice(0, 20)), ((4, 5), slice(7, 16))])
def test_frames_are_painted_with_the_latent_of_their_time(tmp_path, fps, unusable, span):
    latents = 100 + 100 * np.arange(40, dtype=np.float32)[:, None] / 25  # a grey that says the time
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=20, fps=fps, unusable=unusable)) as clip:
        painted = list(Speaker(clip, latents, Echo(), loop="stop", tail="silence").paint(span, 3))
        assert [item.index for item in painted] == list(range(span.start, span.stop))
        for item in painted:
            if item.opacity:
                assert item.painted[0, 0, 0] == pytest.approx(100 + 100 * clip.pts[item.index], abs=0.51)
            else:
                assert item.index in unusable and np.array_equal(item.painted, item.known)


def test_a_crop_shows_the_painting_at_its_opacity():
    known, painted = np.full((2, 2, 3), 100, np.uint8), np.full((2, 2, 3), 200, np.uint8)
    crops = [PaintedFrame(0, 0.0, painted, known, np.ones((2, 2)), share).crop for share in (0, 0.25, 1)]
    assert [crop[0, 0, 0] for crop in crops] == [100, 125, 200]


@of_both_kinds
@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_the_batch_size_does_not_show(kind, clip, batch_size):
    assert difference(paint(kind, clip, batch_size=batch_size), paint(kind, clip, batch_size=32)) <= 1


@of_both_kinds
@pytest.mark.parametrize("loop", ["stop", "bounce"])
def test_a_range_of_frames_equals_that_part_of_the_whole(kind, clip, loop):
    latents = random_latents(tiny_renderer(kind), 25)
    whole = paint(kind, clip, latents, loop=loop)
    assert len(whole) == {"stop": 11, "bounce": 25}[loop]
    for span in (slice(2, 8), slice(5, 6), slice(9, len(whole))):
        assert difference(paint(kind, clip, latents, loop=loop, span=span, batch_size=3), whole[span]) <= 1


@of_both_kinds
def test_a_still_lasts_as_long_as_the_latents(kind, tmp_path):
    with Clip(dummy_clip(tmp_path / "still.h5", frames=1, fps=0.0)) as still:
        painted = paint(kind, still, random_latents(tiny_renderer(kind), 9))
    assert [item.index for item in painted] == [0] * 9
    np.testing.assert_allclose([item.pts for item in painted], np.arange(9) / 25)


def test_the_noise_comes_from_the_seed_or_from_a_file(clip):
    first, again, other = (paint("diffdub", clip, seed=seed) for seed in (3, 3, 4))
    assert difference(first, again) == 0 and difference(first, other) > 0
    from_file = paint("diffdub", clip, x_t=np.zeros((3, 32, 32)))
    assert difference(from_file, first) > 0
    assert difference(from_file, paint("diffdub", clip, x_t=np.zeros((3, 32, 32)), seed=4)) == 0


@pytest.mark.parametrize(
    ("kind", "options", "error", "complaint"),
    [
        ("diffdub", {"steps": 0}, UsageError, "steps must be from 1 to 1000, got 0"),
        ("diffdub", {"steps": 1001}, UsageError, "steps must be from 1 to 1000, got 1001"),
        ("diffdub", {"x_t": np.zeros((3, 16, 16))}, DataError, r"x_T has shape \(3, 16, 16\), expected \(3, 32, 32\)"),
        ("warp", {"steps": 4}, UsageError, "this renderer has no option --steps"),
        ("warp", {"solver": "ddim"}, UsageError, "this renderer has no option --solver"),
        ("warp", {"seed": 0}, UsageError, "this renderer has no option --seed"),
        ("warp", {"x_t": np.zeros((3, 32, 32))}, UsageError, "this renderer has no option --x-t"),
        ("diffdub", {"expression": 1.0}, UsageError, "this renderer has no option --expression"),
    ],
)
def test_options_that_mean_nothing_are_refused(clip, kind, options, error, complaint):
    with pytest.raises(error, match=complaint):
        paint(kind, clip, **options)


@of_both_kinds
def test_latents_and_clips_that_do_not_fit_are_refused(kind, clip, tmp_path):
    with pytest.raises(DataError, match=r"latents have 3 values, the renderer takes (16|66)"):
        paint(kind, clip, np.zeros((5, 3), np.float32))
    with (
        Clip(dummy_clip(tmp_path / "large.h5", size=48)) as large,
        pytest.raises(DataError, match=r"--size 48.*takes --size 32"),
    ):
        paint(kind, large)


class LittleMemory(Echo):
    """Paints no more than two frames at once."""

    def painter(self, clip):
        paint = super().painter(clip)

        def paint_two(frames, pts, latents, span):
            if span.stop - span.start > 2:
                raise OutOfMemory("out of memory")
            return paint(frames, pts, latents, span)

        return paint_two


def test_a_batch_that_does_not_fit_into_memory_is_painted_in_parts(clip):
    latents, recorder = np.arange(11, dtype=np.float32)[:, None], RecordingReporter()
    crops = [
        [
            item.painted
            for item in Speaker(clip, latents, renderer, loop="stop", tail="silence", **report).paint(slice(0, 11), 8)
        ]
        for renderer, report in ((Echo(), {}), (LittleMemory(), {"report": recorder}))
    ]
    assert np.array_equal(*crops)
    assert recorder.messages[-1] == "out of memory with --batch-size 4, continuing with 2"


@pytest.fixture
def compiled_graphs(monkeypatch):
    """The graphs that were compiled. They run as they are, since real compilation takes a minute."""
    graphs = []

    def keep(graph, inputs):
        graphs.append(graph)
        return graph.forward

    for network in (DiffusionAutoencoder, WarpNetwork):
        monkeypatch.setattr(
            network, "compile", lambda self, **options: nn.Module.compile(self, backend=keep, **options)
        )
    return graphs


@of_both_kinds
def test_a_compiled_renderer_paints_the_same(kind, clip, compiled_graphs):
    expected, renderer, recorder = paint(kind, clip), tiny_renderer(kind), RecordingReporter()
    speaker = Speaker(clip, random_latents(renderer), renderer, loop="stop", tail="silence", **OPTIONS[kind])
    compile_renderer(renderer, [speaker], 4, recorder)
    count = len(compiled_graphs)
    assert count > 0 and recorder.loops == [(1, "compiling")]
    painted = list(speaker.paint(slice(0, len(speaker.timeline)), 4))
    assert len(compiled_graphs) == count, "batches of other sizes are not compiled"
    assert difference(painted, expected) <= 1


def test_a_failed_compilation_is_one_line(clip, monkeypatch):
    def fail(graph, inputs):
        raise RuntimeError("no C++ compiler\nand much more")

    monkeypatch.setattr(
        WarpNetwork, "compile", lambda self, **options: nn.Module.compile(self, backend=fail, **options)
    )
    renderer = tiny_renderer("warp")
    speaker = Speaker(clip, random_latents(renderer), renderer, loop="stop", tail="silence")
    with pytest.raises(DataError, match=r"^cannot compile the renderer \(.*\); leave out --compile$") as caught:
        compile_renderer(renderer, [speaker], 4, RecordingReporter())
    assert "\n" not in str(caught.value)
