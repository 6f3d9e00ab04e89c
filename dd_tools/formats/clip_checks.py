"""What the values in a clip must be, as `man dd-formats` promises. All functions raise `ValueError` with the reason."""

import math
import re
from collections.abc import Mapping
from pathlib import PurePath

import numpy as np

MIN_FRAME_BYTES = 64  # in the file; the places of crop, mask and face image alone take more
MAX_SIDE = 2048  # pixels of crop and face image, the limit of dd-prep
MAX_SOURCE_SIDE = 1 << 16  # pixels
MIN_FRAME_RATE = 0.001  # frames per second
MAX_FRAME_RATE = 1_000_000  # frames per second; of some sources it is that of the clock
MAX_SECONDS = 100_000  # more than a day; latents are 25 per second, whatever the times between frames are
MAX_STANDING = 10_000_000  # frames
MAX_REACH = 64  # crops from its edge to which a landmark of a usable face may lie outside
MAX_SCALE = 1 << 16  # pixels of the source per pixel of the crop, and the reverse

_SOURCE_TYPES = {"name": str, "sha256": str, "width": int, "height": int, "frame_rate": float}


def check_source(values: Mapping) -> dict:
    """The fields of `dd_tools.formats.clip.Source`, as they are; the end may be missing or None."""
    if set(values) - {"end"} != set(_SOURCE_TYPES):
        raise ValueError(f"source holds {', '.join(sorted(values)) or 'nothing'}, expected {', '.join(_SOURCE_TYPES)}")
    for name, kind in _SOURCE_TYPES.items():
        _check_type(f"{name} of the source", values[name], kind)
    if not is_file_name(values["name"]):
        raise ValueError("name of the source is not that of a file")
    if not re.fullmatch("[0-9a-f]{64}", values["sha256"]):
        raise ValueError("sha256 of the source is not a SHA-256")
    for name in ("width", "height"):
        if not 1 <= values[name] <= MAX_SOURCE_SIDE:
            raise ValueError(f"{name} of the source is {values[name]}, expected 1 to {MAX_SOURCE_SIDE}")
    if values["frame_rate"] and not MIN_FRAME_RATE <= values["frame_rate"] <= MAX_FRAME_RATE:
        raise ValueError(
            f"frame rate of the source is {values['frame_rate']}, expected 0 or {MIN_FRAME_RATE} to {MAX_FRAME_RATE}"
        )
    if (end := values.get("end")) is not None:
        _check_type("end of the source", end, float)
        if not 0 <= end <= MAX_SECONDS:
            raise ValueError(f"end of the source is {end} s, expected 0 to {MAX_SECONDS}")
    return dict(values)


def is_file_name(text: str) -> bool:
    """Whether it names a file without a folder."""
    return text not in ("", ".", "..") and "\0" not in text and PurePath(text).name == text


def check_detector(values: dict) -> dict:
    """Name and version of a detector, as they are."""
    if set(values) != {"name", "version"} or not all(isinstance(value, str) for value in values.values()):
        raise ValueError("detector is not a name and a version")
    return values


def check_settings(values: dict) -> dict:
    """The settings of dd-prep, as they are. Any may be missing: a model takes no clip without those that it needs."""
    for name, kind in (
        ("size", int),
        ("crop", str),
        ("mask", str),
        ("fps", float),
        ("face", str),
        ("at", list),
        ("deinterlace", bool),
    ):
        if values.get(name) is not None:
            _check_type(f"setting {name}", values[name], kind)
    if values.get("fps") is not None and not 0 < values["fps"] <= MAX_FRAME_RATE:
        raise ValueError(f"setting fps is {values['fps']}, expected above 0 to {MAX_FRAME_RATE}")
    return values


def check_history(entries: object) -> list[dict]:
    """A list of objects, see `dd_tools.formats.history`, as it is."""
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("inputs", {}), dict) for entry in entries
    ):
        raise ValueError("history is not a list of objects")
    return entries


def check_sizes(size: int, face_size: int, settings: Mapping) -> None:
    """Sides of crop and face image in pixels."""
    for name, side in (("frames", size), ("face", face_size)):
        if not 1 <= side <= MAX_SIDE:
            raise ValueError(f"{name} has a side of {side} pixels, expected 1 to {MAX_SIDE}")
    if settings.get("size", size) != size:
        raise ValueError(f"frames has a side of {size} pixels, the settings say {settings['size']}")


def check_length(length: int, file_bytes: int) -> None:
    """Number of frames in a file of so many bytes."""
    if length > file_bytes // MIN_FRAME_BYTES:
        raise ValueError(f"{length} frames are more than a file of {file_bytes} bytes can hold")


def check_status(status: np.ndarray, highest: int) -> None:
    """Status uint8 (T,), each from 0 to `highest`."""
    if status.max() > highest:
        raise ValueError(f"status of frame {status.argmax()} is {status.max()}, expected 0 to {highest}")


def check_shots(shot: np.ndarray) -> None:
    """Shot numbers uint32 (T,): never falling."""
    falls = np.flatnonzero(shot[1:] < shot[:-1])
    if len(falls):
        raise ValueError(f"shot falls from frame {falls[0]} to the next")


def check_times(pts: np.ndarray) -> None:
    """Times float64 (T,) in seconds: finite and strictly rising."""
    if not np.isfinite(pts).all():
        raise ValueError("pts holds NaN or infinite values")
    if np.abs(pts).max() > MAX_SECONDS:
        raise ValueError(f"pts reaches from {pts.min():g} to {pts.max():g} s, expected {MAX_SECONDS} s at most")
    if (falls := np.flatnonzero(np.diff(pts) <= 0)).size:
        raise ValueError(f"pts does not rise from frame {falls[0]} to the next")


def check_standing(last: float, end: float | None, frame_rate: float) -> None:
    """The last frame, shown from `last` to `end` in seconds and repeated meanwhile at `frame_rate`."""
    count = 0 if end is None else (end - last) * frame_rate
    if count > MAX_STANDING:
        raise ValueError(f"the last frame stands for {count:.0f} frames, expected {MAX_STANDING} at most")


def check_landmarks(landmarks: np.ndarray, usable: np.ndarray, size: int) -> None:
    """Landmarks float32 (T, 68, 2): near the crop in frames that are `usable` (T,), zero in all others."""
    if not np.isfinite(landmarks).all():
        raise ValueError("landmarks holds NaN or infinite values")
    if landmarks[~usable].any():
        raise ValueError("landmarks is not zero in frames without a usable face")
    if len(far := landmarks[usable]) and np.abs(far).max() > MAX_REACH * size:
        raise ValueError(f"landmarks lie up to {np.abs(far).max():g} pixels from a crop of {size}")


def check_maps(crop_to_source: np.ndarray) -> None:
    """Affine maps float64 (T, 2, 3): finite and invertible."""
    if not np.isfinite(crop_to_source).all():
        raise ValueError("crop_to_source holds NaN or infinite values")
    area = np.abs(np.linalg.det(crop_to_source[:, :, :2]))
    longest = np.abs(crop_to_source).max((1, 2))
    bad = (area < MAX_SCALE**-2) | (longest > MAX_SCALE * MAX_SIDE)
    if bad.any():
        raise ValueError(f"crop_to_source of frame {bad.argmax()} is not the map of a crop")


def _check_type(what: str, value: object, kind: type) -> None:
    kinds = (int, float) if kind is float else kind
    if (
        not isinstance(value, kinds)
        or isinstance(value, bool) != (kind is bool)
        or (kind is float and not math.isfinite(value))
    ):
        raise ValueError(f"{what} is {value!r:.40}, expected {_NAMES[kind]}")


_NAMES = {str: "a text", int: "an integer", float: "a number", list: "a list", bool: "true or false"}
