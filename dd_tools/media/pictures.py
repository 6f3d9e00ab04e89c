"""Still pictures (PNG, JPEG, WebP, BMP, TIFF) as RGB arrays."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from dd_tools.errors import DataError

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
