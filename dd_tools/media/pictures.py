"""Still pictures (PNG, JPEG, WebP, BMP, TIFF) as RGB arrays, and back as PNG."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from dd_tools.errors import DataError
from dd_tools.formats.atomic import atomic_output, check_output_path
from dd_tools.media.marking import XMP

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")


def read_picture(path: str | Path) -> np.ndarray | None:
    """uint8 (H, W, 3) RGB as displayed: turned by its EXIF orientation, transparency over black; None if no picture.

    Raises `DataError` for a damaged picture.
    """
    Image.init()  # without it Pillow knows only some of its formats
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            picture = ImageOps.exif_transpose(picture)
            if picture.mode.startswith("I;16"):  # Pillow would clip 16-bit grey to white
                picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
            black = Image.new("RGBA", picture.size, "black")
            return np.array(Image.alpha_composite(black, picture.convert("RGBA")).convert("RGB"))
    except UnidentifiedImageError:
        return None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"cannot read '{path}': damaged picture ({error})") from None


def is_sequence(path: Path) -> bool:
    """Whether a name stands for a series of pictures, as in ffmpeg: ``frames/%06d.png``."""
    return path.suffix.lower() == ".png" and "%" in path.name


def sequence_member(pattern: Path, number: int) -> Path:
    """The file of picture `number`. Raises `DataError` for a pattern without one place for a number."""
    try:
        return pattern.with_name(pattern.name % number)
    except (TypeError, ValueError):
        raise DataError(f"cannot write '{pattern}': the name needs one number, as in %06d.png") from None


def write_pictures(pattern: Path, images: Iterable[np.ndarray], first: int = 0) -> None:
    """Write images uint8 (H, W, 3) as PNG, numbered from `first`, each marked as altered (see `marking`)."""
    check_output_path(sequence_member(pattern, first))
    mark = PngInfo()
    mark.add_itxt("XML:com.adobe.xmp", XMP)
    for number, image in enumerate(images, first):
        with atomic_output(sequence_member(pattern, number)) as temporary:
            Image.fromarray(image).save(temporary, pnginfo=mark)
