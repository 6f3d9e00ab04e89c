"""Still images are read as frames, and frames are written as image sequences."""

import numpy as np
import pytest
from media_files import smooth_frames
from PIL import Image

from dd_tools.errors import DataError
from dd_tools.media.audio import has_audio
from dd_tools.media.images import read_image, write_image_sequence
from dd_tools.media.video import probe, read_frames

CORNERS = np.array([[[200, 0, 0], [0, 200, 0]], [[0, 0, 200], [90, 90, 90]]], np.uint8)  # red green / blue grey
IMAGE = CORNERS.repeat(16, axis=0).repeat(24, axis=1)


def read(path) -> np.ndarray:
    info, (frame,) = probe(path), read_frames(path)
    assert (info.is_still, info.frame_rate, info.has_audio, info.duration, frame.pts) == (True, 0, False, None, 0)
    assert frame.image.dtype == np.uint8 and frame.image.shape == (info.height, info.width, 3)
    assert frame.image.flags.writeable
    return frame.image


@pytest.mark.parametrize(
    ("suffix", "options"), [(".png", {}), (".webp", {"lossless": True}), (".bmp", {}), (".tiff", {})]
)
def test_an_image_is_one_frame(tmp_path, suffix, options):
    path = tmp_path / f"p{suffix}"
    Image.fromarray(IMAGE).save(path, **options)
    assert np.array_equal(read(path), IMAGE)


def test_a_jpeg_is_close(tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "p.jpg", quality=95, subsampling=0)
    assert np.abs(read(tmp_path / "p.jpg").astype(int) - IMAGE).mean() < 2


@pytest.mark.parametrize(
    ("orientation", "corners"),
    [(3, CORNERS[::-1, ::-1]), (6, np.rot90(CORNERS, -1)), (8, np.rot90(CORNERS)), (2, CORNERS[:, ::-1])],
)
def test_the_exif_orientation_is_applied(tmp_path, orientation, corners):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(IMAGE).save(tmp_path / "p.jpg", quality=95, subsampling=0, exif=exif)
    found = read(tmp_path / "p.jpg")
    height, width, _ = found.shape
    centres = found[height // 4 :: height // 2, width // 4 :: width // 2]
    assert np.abs(centres.astype(int) - corners).max() < 6


def test_transparent_pixels_are_blended_with_black(tmp_path):
    alpha = np.full((*IMAGE.shape[:2], 1), 128, np.uint8)
    Image.fromarray(np.concatenate([IMAGE, alpha], axis=2)).save(tmp_path / "p.png")
    assert np.abs(read(tmp_path / "p.png") - IMAGE * (128 / 255)).max() <= 1


def test_grey_palette_and_16_bit_images(tmp_path):
    grey = IMAGE[..., 0]
    expected = np.repeat(grey[..., None], 3, axis=2)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "grey16.png")
    assert np.array_equal(read(tmp_path / "grey.png"), expected)
    assert np.array_equal(read(tmp_path / "grey16.png"), expected)
    Image.fromarray(IMAGE).quantize(16).save(tmp_path / "palette.png")
    assert np.abs(read(tmp_path / "palette.png").astype(int) - IMAGE).max() < 8


def test_the_content_decides_not_the_suffix(tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "p.mp4", format="PNG")
    assert np.array_equal(read(tmp_path / "p.mp4"), IMAGE)
    assert not has_audio(tmp_path / "p.mp4")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_damaged_image_is_one_clear_line(tmp_path, suffix):
    path = tmp_path / f"p{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(DataError, match=f"^cannot read '{path}': damaged image") as caught:
        read_frames(path)
    assert "\n" not in str(caught.value)


def test_sequences_are_numbered_exact_and_labelled(tmp_path):
    frames = smooth_frames(3)
    write_image_sequence(tmp_path / "%03d.png", frames, first=7)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["007.png", "008.png", "009.png"]
    assert np.array_equal([read_image(tmp_path / f"00{n}.png") for n in (7, 8, 9)], frames)
    assert b"compositeWithTrainedAlgorithmicMedia" in (tmp_path / "007.png").read_bytes()
    with pytest.raises(DataError, match="needs one number"):
        write_image_sequence(tmp_path / "%s-%d.png", frames)
