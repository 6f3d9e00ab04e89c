"""Still images are read as frames, and frames are written as image sequences."""

import io
import struct
import zlib

import numpy as np
import pytest
from media_files import smooth_frames
from PIL import Image, ImageCms, ImageOps

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


@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_is_that_of_pillow(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(IMAGE).save(tmp_path / "p.png", exif=exif)
    with Image.open(tmp_path / "p.png") as image:
        np.testing.assert_array_equal(read(tmp_path / "p.png"), ImageOps.exif_transpose(image))


def test_a_photo_with_damaged_exif_is_turned(tmp_path):
    """A width that is a text: Pillow can read such EXIF, but not write it again."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "wide"
    data = exif.tobytes().replace(struct.pack(">H", 0x010E), struct.pack(">H", 0x0100))  # a description becomes it
    Image.fromarray(IMAGE).save(tmp_path / "p.png", exif=data)
    with Image.open(tmp_path / "p.png") as image, pytest.raises(struct.error):
        ImageOps.exif_transpose(image)
    assert read(tmp_path / "p.png").shape == (IMAGE.shape[1], IMAGE.shape[0], 3)


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


def _tagged(path, colours: np.ndarray, profile: bytes):
    Image.fromarray(colours).save(path, icc_profile=profile)
    return path


def test_colours_are_converted_by_the_profile_of_the_image(tmp_path):
    """A linear RGB profile with sRGB's primaries: the right values follow from the curve of IEC 61966-2-1."""
    linear = ImageCms.ImageCmsProfile(_linear_srgb())
    levels = np.array([10, 40, 90, 160, 255], np.uint8)
    colours = np.repeat(levels[None, :, None], 3, axis=2).repeat(4, axis=0)
    light = levels / 255
    expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    found = read(_tagged(tmp_path / "p.png", colours, linear.tobytes()))
    assert np.abs(found[0, :, 0] - expected).max() <= 1.5
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(read(_tagged(tmp_path / "s.png", colours, srgb)).astype(int) - colours).max() <= 1
    assert np.array_equal(read(_tagged(tmp_path / "broken.png", colours, b"no profile")), colours)


def _linear_srgb() -> io.BytesIO:
    """The sRGB profile of LittleCMS with its three curves replaced by straight lines."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", content, 128)
    for number in range(count):
        name, offset, _ = struct.unpack_from(">4sII", content, 132 + 12 * number)
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            content[offset : offset + 12] = b"curv" + bytes(8)  # no entries: the identity
    return io.BytesIO(bytes(content))


@pytest.mark.parametrize("lossless", [True, False])
def test_an_animation_is_named_and_what_to_do(tmp_path, lossless):
    first, *rest = (Image.fromarray(frame) for frame in smooth_frames(3))
    first.save(tmp_path / "a.webp", save_all=True, append_images=rest, lossless=lossless)
    with pytest.raises(DataError, match="animated WebP is not read; convert it to a video"):
        probe(tmp_path / "a.webp")


def test_an_animated_png_is_a_video(tmp_path):
    first, *rest = (Image.fromarray(frame) for frame in smooth_frames(3))
    first.save(tmp_path / "a.png", save_all=True, append_images=rest, duration=40)
    assert len(list(read_frames(tmp_path / "a.png"))) == 3 and not probe(tmp_path / "a.png").is_still


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [(12000, 9000), (16320, 12240), (8192, 4321)])
def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path, size):
    header = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    (tmp_path / "p.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT")
    with pytest.raises(DataError, match="more than 35 megapixels; scale it down"):
        probe(tmp_path / "p.png")
