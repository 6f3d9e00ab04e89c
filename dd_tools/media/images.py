"""Read still images (PNG, JPEG, WebP, BMP, TIFF) as RGB frames, and write frames as numbered PNG files."""

import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from dd_tools.errors import DataError
from dd_tools.formats.atomic import atomic_output, check_output_path
from dd_tools.media.ai_label import XMP

MAX_PIXELS = 8192 * 4320  # of a frame: that of 8K cameras; encoding larger ones takes gigabytes of memory

_TOO_LARGE = f"more than {MAX_PIXELS // 10**6} megapixels; scale it down"
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
# How to turn an image of each EXIF orientation. Pillow's own function also writes the EXIF again, damaged or not.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SRGB = ImageCms.createProfile("sRGB")


def read_image(path: str | Path) -> np.ndarray | None:
    """Read an image file as a frame, uint8 (H, W, 3) RGB, or return None if the file is not an image.

    The EXIF orientation is applied, colours are converted to sRGB by the image's ICC profile, transparent pixels are
    blended with black, and 16-bit values are reduced to 8 bits. Raises `DataError` for a damaged image, for one of more
    than `MAX_PIXELS`, and for an animation.
    """
    with _opened(path) as image:
        if image is None:
            return None
        check_pixels(path, *image.size)
        if image.format == "WEBP" and getattr(image, "is_animated", False):
            raise DataError(f"cannot read '{path}': animated WebP is not read; convert it to a video")
        profile = image.info.get("icc_profile")
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
        image = image if turn is None else image.transpose(turn)
        if image.mode.startswith("I;16"):  # Pillow would clip 16-bit grey to white
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, _in_srgb(image, profile).convert("RGBA"))
        return np.array(image.convert("RGB"))


def is_image(path: str | Path) -> bool:
    """Whether a file is an image that `read_image` takes, animations and damaged ones included."""
    with _opened(path) as image:
        return image is not None


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image | None]:
    Image.init()  # registers all formats; without it Pillow knows only the common ones
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # check_pixels is stricter
            opened = Image.open(path, formats=_FORMATS)
        with opened as image:
            # An animated PNG is a video, which FFmpeg reads.
            yield None if image.format == "PNG" and getattr(image, "is_animated", False) else image
    except UnidentifiedImageError:
        yield None
    except Image.DecompressionBombError:
        raise DataError(f"cannot read '{path}': {_TOO_LARGE}") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"cannot read '{path}': damaged image ({error})") from None


def check_pixels(path: str | Path, width: int, height: int) -> None:
    """Raise `DataError` for frames of more than `MAX_PIXELS`."""
    if width * height > MAX_PIXELS:
        raise DataError(f"cannot read '{path}': {_TOO_LARGE}")


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The colours of an image with an ICC profile, in sRGB. A profile that cannot be used is ignored."""
    if not profile:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = {"CMYK": "RGB", "L": "RGB"}.get(image.mode, image.mode)
        if image.mode == "P":
            image, mode = image.convert("RGBA"), "RGBA"
        converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode=mode)
    except (ImageCms.PyCMSError, OSError):
        return image
    return converted or image


def is_image_sequence(path: Path) -> bool:
    """Whether `path` is the pattern of an image sequence, as in ffmpeg: ``frames/%06d.png``."""
    return path.suffix.lower() == ".png" and "%" in path.name


def sequence_file(pattern: Path, number: int) -> Path:
    """The file with this number in a sequence. Raises `DataError` unless `pattern` takes exactly one number."""
    try:
        return pattern.with_name(pattern.name % number)
    except (TypeError, ValueError):
        raise DataError(f"cannot write '{pattern}': the name needs one number, as in %06d.png") from None


def write_image_sequence(pattern: Path, frames: Iterable[np.ndarray], first: int = 0) -> None:
    """Write frames, uint8 (H, W, 3) RGB, as PNG files numbered from `first`, with the AI label in their metadata.

    Raises `DataError` for an unsuitable pattern and for files that cannot be written.
    """
    check_output_path(sequence_file(pattern, first))
    label = PngInfo()
    label.add_itxt("XML:com.adobe.xmp", XMP)
    for number, frame in enumerate(frames, first):
        with atomic_output(sequence_file(pattern, number)) as temporary:
            Image.fromarray(frame).save(temporary, pnginfo=label)
