"""What an interrupted job must have in common with the one that continues it: everything that could change a pixel."""

import platform
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np

import dd_tools
from dd_tools.formats.history import sha256_of
from dd_tools.media.ffmpeg import ffmpeg_path


def job_key(files: Sequence[Path | None], settings: object, device: str) -> dict:
    """The key of a job for `dd_tools.formats.parts.parts_folder`.

    files: inputs, known by their content; None stands for one that is not used. settings: all options; its `repr` must
    show them completely. device: see `open_device`. Raises `DataError` for a file that cannot be read.
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
    return version("torch"), np.__version__, cv2.__version__, ffmpeg.partition("\n")[0], platform.machine()


def _name_of(device: str) -> str:
    """The name of the GPU, or the type of the device. torch is slow to import, so it is only asked if it must be."""
    if device == "cpu" or (device == "auto" and not _may_have_gpu()):
        return "cpu"
    import torch

    from dd_tools.nn.device import open_device

    opened = open_device(device)
    return torch.cuda.get_device_name(opened) if opened.type == "cuda" else opened.type


def _may_have_gpu() -> bool:
    """Whether torch might find a GPU: on Linux, whether there is the device of a driver."""
    return sys.platform != "linux" or any(Path("/dev", name).exists() for name in ("nvidiactl", "dxg", "kfd"))
