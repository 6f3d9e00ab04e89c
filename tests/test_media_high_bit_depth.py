"""Sources of more than 8 bits keep them: their frames are decoded, pasted into and encoded with 16 bits."""

import numpy as np
import pytest
from commands import call
from factories import dummy_face_landmarks, dummy_pose, dummy_renderer, raw_video

from dd_tools.face.compositing import paste
from dd_tools.face.geometry import steady_mask
from dd_tools.media.codecs import Encoding
from dd_tools.media.encode import VideoWriter
from dd_tools.media.video import probe, read_frames

LEVEL = 256 * 255 / 876  # one level of limited-range 10-bit luma, in 16 bits
SIDE = 160


@pytest.fixture(scope="module")
def ramp(tmp_path_factory):
    """Four frames of a grey ramp through all 877 levels of 10 bits, and what their values are in 16 bits."""
    luma = np.linspace(64, 940, SIDE * SIDE).round().astype("<u2")
    planes = np.concatenate([luma, np.full(2 * SIDE * SIDE, 512, "<u2")])
    tags = "colorspace=bt709:range=tv:color_primaries=bt709:color_trc=bt709"
    path = tmp_path_factory.mktemp("ramp") / "ramp.mkv"
    raw_video(path, np.tile(planes, (4, 1)), "yuv444p10le", (SIDE, SIDE), tags=tags)
    return path, ((luma.astype(float) - 64) * LEVEL).reshape(SIDE, SIDE)


def test_frames_of_16_bits_hold_every_level_of_10(ramp):
    path, expected = ramp
    for fine, coarse in zip(read_frames(path, high_bit_depth=True), read_frames(path), strict=True):
        assert (fine.pts, fine.image.dtype, coarse.image.dtype) == (coarse.pts, np.uint16, np.uint8)
        assert np.abs(fine.image - expected[..., None]).max() < LEVEL / 4
        assert len(np.unique(fine.image[..., 1])) == 877
        assert np.abs(fine.image / 256 - coarse.image).max() < 1.01


def test_an_image_is_scaled_to_16_bits(tmp_path):
    from PIL import Image

    image = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "p.png")
    (frame,) = read_frames(tmp_path / "p.png", high_bit_depth=True)
    np.testing.assert_array_equal(frame.image, image.astype(int) * 256)


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9"])
def test_frames_of_16_bits_are_encoded_with_their_levels(ramp, tmp_path, codec):
    _, expected = ramp
    image = np.repeat(expected.round().astype(np.uint16)[..., None], 3, axis=2)
    path = tmp_path / "v.mkv"
    with VideoWriter(path, SIDE, SIDE, 25, Encoding(codec, 4, "yuv444p10le"), high_bit_depth=True) as writer:
        for n in range(3):
            writer.write(image, n / 25)
        with pytest.raises(ValueError, match="frame is uint8"):
            writer.write(np.zeros((SIDE, SIDE, 3), np.uint8), 1)
    assert probe(path).pixel_format == "yuv444p10le"
    for frame in read_frames(path, high_bit_depth=True):
        assert np.abs(frame.image.mean(-1) - expected).mean() < LEVEL  # with 8 bits: more than three levels
        assert len(np.unique(frame.image[..., 1])) > 500


def test_pasting_into_frames_of_16_bits_is_the_same_but_finer():
    random, mask = np.random.default_rng(0), steady_mask(dummy_pose(), 96)
    frame = random.integers(0, 65536, (120, 160, 3), np.uint16)
    known, painted = random.integers(60, 200, (2, 96, 96, 3), np.uint8)
    place = np.array([[1.1, 0.1, 20], [-0.1, 1.1, 5]])
    fine, coarse = (paste(source, painted, known, mask, place) for source in (frame, np.uint8(frame // 256)))
    changed = (coarse != frame // 256).any(-1)
    assert fine.dtype == np.uint16 and changed.mean() > 0.1
    assert np.abs(fine / 256 - coarse)[changed].max() < 2
    black, white = np.zeros_like(known), np.full_like(known, 255)
    touched = (paste(frame, black, white, mask, place) != frame).any(-1)
    touched |= (paste(frame, white, black, mask, place) != frame).any(-1)
    np.testing.assert_array_equal(fine[~touched], frame[~touched])
    assert changed[touched].mean() > 0.9
    for nothing in (paste(frame, painted, known, mask * 0, place), paste(frame, known, known, mask, place)):
        np.testing.assert_array_equal(nothing, frame)
    assert len(np.unique(fine)) > 20_000


def test_a_dubbed_ramp_keeps_its_levels_outside_the_mask(ramp, tmp_path):
    path, expected = ramp
    dummy_renderer(tmp_path / "r.safetensors")
    landmarks = dummy_face_landmarks() + np.array([30, 40])
    np.save(tmp_path / "landmarks.npy", np.tile(landmarks, (4, 1, 1)))
    np.save(tmp_path / "motion.npy", np.zeros((4, 16), np.float32))
    clip, output = tmp_path / "clip.h5", tmp_path / "out.mkv"
    given = ("--landmarks", tmp_path / "landmarks.npy", "--size", "32")
    assert call("dd-prep", path, "-o", clip, *given).status == 0
    weights = ("--source", path, "--renderer", tmp_path / "r.safetensors", "--steps", "1", "--quality", "2")
    assert call("dd-render", clip, "-o", output, "--latents", tmp_path / "motion.npy", *weights).status == 0
    assert probe(output).pixel_format == "yuv444p10le"
    above = np.s_[:60]  # the mask begins below
    for frame in read_frames(output, high_bit_depth=True):
        assert np.abs(frame.image[above].mean(-1) - expected[above]).mean() < LEVEL
        assert len(np.unique(frame.image[above][..., 1])) > 256
        assert np.abs(frame.image[100:120, 60:100].mean(-1) - expected[100:120, 60:100]).mean() > 10 * LEVEL
