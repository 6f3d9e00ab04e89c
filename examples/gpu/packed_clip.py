"""A clip in a thirtieth of its size: one file to copy to another machine, where `unpack` makes a clip of it again.

NAME.npz holds the arrays of the clip that `dd_tools.formats.clip` describes, without loss, with three differences:

video   uint8 (N,)  an MP4 file with the crops as H.264, 4:4:4. It is not lossless: 41 dB at CRF 12.
masks   uint8       every mask differs little from the one before it, so the differences are stored, as bits
face                is missing; face images are computed again from crops and landmarks

Landmarks and maps to the source are stored byte by byte, see `planes`. cv2 decodes the video, so that no ffmpeg program
is needed to unpack it.
"""

import json
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from dd_tools.errors import DataError
from dd_tools.face.geometry import face_image
from dd_tools.formats.atomic import atomic_output
from dd_tools.formats.clip import Clip, ClipWriter, Source, Status
from dd_tools.media.ffmpeg import ffmpeg_path

FRAME_RATE = 25  # of the video; the times of the frames are stored beside it
# cv2 takes every video for BT.601 of limited range, whatever its tags say.
CONVERSION = "scale=out_color_matrix=bt601:out_range=tv:flags=accurate_rnd+full_chroma_int+full_chroma_inp+bicubic"
TAGS = "setparams=range=tv:colorspace=smpte170m"
# The slowest settings of x264: a second per hundred frames. Without the message that lists them in every file.
ENCODER = ("-c:v", "libx264", "-preset", "veryslow", "-g", "9999", "-pix_fmt", "yuv444p")
WITHOUT_MESSAGE = ("-bsf:v", "filter_units=remove_types=6", "-fflags", "+bitexact", "-map_metadata", "-1")
FIELDS = ("video", "landmarks", "masks", "crop_to_source", "pts", "status", "shot", "about")


def pack(source: Path, target: Path, *, crf: int, frames: np.ndarray | None = None) -> None:
    """Pack the clip file `source` into the file `target`.

    crf: constant rate factor of x264, from 0 (best) to 51. frames (T,): indices of the frames to keep; None keeps all.
    Raises `DataError` if the clip cannot be read or the file cannot be written.
    """
    with Clip(source) as clip:
        chosen = np.arange(clip.length) if frames is None else frames
        about = {
            "size": clip.size,
            "face_size": clip.face_size,
            "source": asdict(clip.source),
            "detector": clip.detector,
            "settings": clip.settings,
            "history": clip.history,
        }
        arrays = {
            "video": np.frombuffer(encode(clip.frames[chosen], crf), np.uint8),
            "landmarks": planes(clip.landmarks[chosen]),
            "masks": mask_changes(clip.mask[chosen]),
            "crop_to_source": planes(clip.crop_to_source[chosen]),
            "pts": clip.pts[chosen],
            "status": clip.status[chosen],
            "shot": clip.shot[chosen],
            "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
        }
    with atomic_output(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)


def unpack(source: Path, target: Path) -> int:
    """Write the clip file `target` from the packed clip `source`, and return the number of its frames.

    Raises `DataError` if the file is no packed clip or damaged, or if the clip cannot be written.
    """
    try:
        with np.load(source, allow_pickle=False) as archive:
            packed = {name: archive[name] for name in FIELDS}
        return _write(packed, target)
    except (KeyError, ValueError, TypeError, IndexError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"cannot read '{source}': not a packed clip ({error})") from None


def _write(packed: dict[str, np.ndarray], target: Path) -> int:
    about = json.loads(packed["about"].tobytes())
    size, face_size, count = about["size"], about["face_size"], len(packed["pts"])
    landmarks = from_planes(packed["landmarks"], np.float32, (count, 68, 2))
    maps = from_planes(packed["crop_to_source"], np.float64, (count, 2, 3))
    masks = from_mask_changes(packed["masks"], size)
    rows = (landmarks, masks, maps, packed["pts"], packed["status"], packed["shot"])
    made = {name: about[name] for name in ("detector", "settings", "history")}
    with (
        atomic_output(target) as temporary,
        ClipWriter(temporary, size=size, face_size=face_size, source=Source.from_json(about["source"]), **made) as clip,
    ):
        frames = decode(packed["video"].tobytes())
        for frame, points, mask, crop_to_source, pts, status, shot in zip(frames, *rows, strict=True):
            usable = status == Status.OK
            face = face_image(frame, points, face_size) if usable else np.zeros((face_size, face_size, 3), np.uint8)
            clip.append(
                frames=frame, landmarks=points, mask=mask, face=face, crop_to_source=crop_to_source, pts=pts,
                status=status, shot=shot,
            )  # fmt: skip
    return count


def encode(frames: np.ndarray, crf: int) -> bytes:
    """Frames uint8 (T, S, S, 3) as an MP4 file. Raises `DataError` if ffmpeg fails."""
    height, width = frames.shape[1:3]
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder, "crops.mp4")
        command = [ffmpeg_path(), "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
        command += ["-r", FRAME_RATE, "-i", "-", "-vf", f"{CONVERSION},format=yuv444p,{TAGS}"]
        command += [*ENCODER, "-crf", crf, *WITHOUT_MESSAGE, video]
        done = subprocess.run([*map(str, command)], input=frames.tobytes(), capture_output=True)
        if done.returncode:
            raise DataError(f"cannot encode the crops: {done.stderr.decode(errors='replace').strip()}")
        return video.read_bytes()


def decode(video: bytes) -> Iterator[np.ndarray]:
    """The frames uint8 (S, S, 3) of an MP4 file."""
    with tempfile.NamedTemporaryFile(suffix=".mp4") as stream:
        stream.write(video)
        stream.flush()
        capture = cv2.VideoCapture(stream.name, cv2.CAP_FFMPEG)
        while True:
            read, frame = capture.read()
            if not read:
                break
            yield np.ascontiguousarray(frame[..., ::-1])
        capture.release()


def planes(values: np.ndarray) -> np.ndarray:
    """Values (T, ...) of B bytes as uint8 (B, T, N): lowest bytes first, each less its value in the frame before.

    So LZMA finds the bytes that hardly change; the low ones are noise.
    """
    integers = values.reshape(len(values), -1).view(f"<u{values.itemsize}")
    changes = np.diff(integers, axis=0, prepend=integers.dtype.type(0))
    return np.moveaxis(changes[..., None].view(np.uint8), -1, 0)


def from_planes(stored: np.ndarray, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse of `planes`. dtype, shape: of the values."""
    changes = np.ascontiguousarray(np.moveaxis(stored, 0, -1)).view(f"<u{np.dtype(dtype).itemsize}")[..., 0]
    return np.cumsum(changes, axis=0, dtype=changes.dtype).view(dtype).reshape(shape)


def mask_changes(masks: np.ndarray) -> np.ndarray:
    """Masks uint8 (T, S, S) of zeros and ones as bits uint8 (T, ⌈S·S / 8⌉), each but the first less the one before."""
    bits = np.packbits(masks.reshape(len(masks), -1), axis=1)
    return bits ^ np.vstack([np.zeros_like(bits[:1]), bits[:-1]])


def from_mask_changes(stored: np.ndarray, size: int) -> np.ndarray:
    """The inverse of `mask_changes`: masks uint8 (T, S, S) of side `size`."""
    bits = np.bitwise_xor.accumulate(stored, axis=0)
    return np.unpackbits(bits, axis=1, count=size * size).reshape(-1, size, size)
