"""Read still images (PNG, JPEG, WebP, BMP, TIFF) as RGB frames, and write frames as numbered PNG files."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from dd_tools.errors import DataError
from dd_tools.formats.atomic import atomic_output, check_output_path
from dd_tools.media.ai_label import XMP

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")


def read_image(path: str | Path) -> np.ndarray | None:
    """Read an image file as a frame, uint8 (H, W, 3) RGB, or return None if the file is not an image.

    The EXIF orientation is applied, transparent pixels are blended with black, and 16-bit values are reduced to 8 bits.
    Raises `DataError` for a damaged image.
    """
    Image.init()  # registers all formats; without it Pillow knows only the common ones
    try:
        with Image.open(path, formats=_FORMATS) as image:
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I;16"):  # Pillow would clip 16-bit grey to white
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            black = Image.new("RGBA", image.size, "black")
            return np.array(Image.alpha_composite(black, image.convert("RGBA")).convert("RGB"))
    except UnidentifiedImageError:
        return None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"cannot read '{path}': damaged image ({error})") from None


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
