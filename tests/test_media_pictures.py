import numpy as np
import pytest
from PIL import Image

from dd_tools.errors import DataError
from dd_tools.media.audio import has_audio
from dd_tools.media.video import probe, read_frames

CORNERS = np.array([[[200, 0, 0], [0, 200, 0]], [[0, 0, 200], [90, 90, 90]]], np.uint8)  # red green / blue grey
PICTURE = CORNERS.repeat(16, axis=0).repeat(24, axis=1)


def read(path) -> np.ndarray:
    info, (frame,) = probe(path), read_frames(path)
    assert (info.is_still, info.frame_rate, info.has_audio, info.duration, frame.pts) == (True, 0, False, None, 0)
    assert frame.image.dtype == np.uint8 and frame.image.shape == (info.height, info.width, 3)
    assert frame.image.flags.writeable
    return frame.image


@pytest.mark.parametrize(
    ("suffix", "options"), [(".png", {}), (".webp", {"lossless": True}), (".bmp", {}), (".tiff", {})]
)
def test_a_picture_is_one_frame(tmp_path, suffix, options):
    path = tmp_path / f"p{suffix}"
    Image.fromarray(PICTURE).save(path, **options)
    assert np.array_equal(read(path), PICTURE)


def test_a_jpeg_is_close(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "p.jpg", quality=95, subsampling=0)
    assert np.abs(read(tmp_path / "p.jpg").astype(int) - PICTURE).mean() < 2


@pytest.mark.parametrize(
    ("orientation", "corners"),
    [(3, CORNERS[::-1, ::-1]), (6, np.rot90(CORNERS, -1)), (8, np.rot90(CORNERS)), (2, CORNERS[:, ::-1])],
)
def test_pictures_are_turned_as_their_exif_says(tmp_path, orientation, corners):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(PICTURE).save(tmp_path / "p.jpg", quality=95, subsampling=0, exif=exif)
    found = read(tmp_path / "p.jpg")
    height, width, _ = found.shape
    centres = found[height // 4 :: height // 2, width // 4 :: width // 2]
    assert np.abs(centres.astype(int) - corners).max() < 6


def test_transparency_is_over_black(tmp_path):
    alpha = np.full((*PICTURE.shape[:2], 1), 128, np.uint8)
    Image.fromarray(np.concatenate([PICTURE, alpha], axis=2)).save(tmp_path / "p.png")
    assert np.abs(read(tmp_path / "p.png") - PICTURE * (128 / 255)).max() <= 1


def test_grey_palette_and_deep_pictures(tmp_path):
    grey = PICTURE[..., 0]
    expected = np.repeat(grey[..., None], 3, axis=2)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    assert np.array_equal(read(tmp_path / "grey.png"), expected)
    assert np.array_equal(read(tmp_path / "deep.png"), expected)
    Image.fromarray(PICTURE).quantize(16).save(tmp_path / "palette.png")
    assert np.abs(read(tmp_path / "palette.png").astype(int) - PICTURE).max() < 8


def test_a_suffix_may_lie(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "p.mp4", format="PNG")
    assert np.array_equal(read(tmp_path / "p.mp4"), PICTURE)
    assert not has_audio(tmp_path / "p.mp4")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_damaged_picture_is_one_clear_line(tmp_path, suffix):
    path = tmp_path / f"p{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(DataError, match=f"^cannot read '{path}': damaged picture") as caught:
        read_frames(path)
    assert "\n" not in str(caught.value)
