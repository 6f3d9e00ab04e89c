"""What an interrupted job must have in common with the one that continues it: everything that could change a pixel."""

import platform
import subprocess
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import torch

import dd_tools
from dd_tools.formats.history import sha256_of
from dd_tools.media.ffmpeg import ffmpeg_path


def job_key(files: Sequence[Path | None], settings: object, device: torch.device) -> dict:
    """The key of a job for `dd_tools.formats.parts.parts_folder`.

    files: inputs, known by their content; None stands for one that is not used. settings: all options; its `repr` must
    show them completely. Raises `DataError` for a file that cannot be read.
    """
    return {
        "program": [dd_tools.__version__, _digest_of_program(), *_versions(), _name_of(device)],
        "files": [None if path is None else sha256_of(path) for path in files],
        "settings": repr(settings),
    }


@cache
def _digest_of_program() -> str:
    """SHA-256 of the source files of this package, as a version number does not change with every change."""
    folder, digest = Path(dd_tools.__file__).parent, sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256_of(path)}\0".encode())
    return digest.hexdigest()


@cache
def _versions() -> tuple[str, ...]:
    """Of what computes, resamples, decodes and encodes."""
    ffmpeg = subprocess.run([ffmpeg_path(), "-version"], capture_output=True, text=True, errors="replace").stdout
    return torch.__version__, np.__version__, cv2.__version__, ffmpeg.partition("\n")[0], platform.machine()


def _name_of(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
