"""dd-info: show the kind, shapes, settings and history of files."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.printing import printable
from dd_tools.cli.session import Session
from dd_tools.errors import DataError

MAX_LIST_ITEMS = 12  # shown of a list in plain text

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Clips, arrays, weights, videos or images.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]


def info(session: Session, files: Files, as_json: Json = False) -> None:
    """Show the kind, shapes and settings of files, and the commands that made them."""

    def show(path: Path) -> None:
        description = {"file": str(path)} | describe(path)
        typer.echo(json.dumps(description) if as_json else "\n".join(map(printable, _format_lines(description))))

    session.for_each(files, show)


def describe(path: Path) -> dict[str, Any]:
    """Describe a file as JSON values. Its suffix determines how it is read. Raises `DataError` for an unusable file."""
    if not path.is_file():
        raise DataError(f"cannot read '{path}': {'it is a folder' if path.is_dir() else 'no such file'}")
    readers = {".h5": _describe_clip, ".npy": _describe_array, ".safetensors": _describe_weights}
    readers |= dict.fromkeys((".ckpt", ".pt", ".pth"), _describe_released)
    return readers.get(path.suffix.lower(), _describe_video)(path)


def _describe_clip(path: Path) -> dict[str, Any]:
    from dataclasses import asdict

    from dd_tools.formats.clip import Clip, Status

    with Clip(path) as clip:
        counts = {status.name.lower(): int((clip.status == status).sum()) for status in Status}
        return {
            "kind": "clip",
            "frames": clip.length,
            "size": clip.size,
            "face_size": clip.face_size,
            "seconds": [float(clip.pts[0]), float(clip.pts[-1])],
            "status": {name: count for name, count in counts.items() if count},
            "source": asdict(clip.source),
            "detector": clip.detector,
            "settings": clip.settings,
            "history": clip.history,
        }


def _describe_array(path: Path) -> dict[str, Any]:
    import numpy as np

    from dd_tools.formats.arrays import LATENT_RATE, SPEECH_RATE, read_array

    try:
        array = read_array(path, ("L layers", "T frames", "D features"))
        kind, seconds = "speech features", array.shape[1] / SPEECH_RATE
    except DataError:
        array = read_array(path, ("T frames", "Z values"))
        kind, seconds = "latents", len(array) / LATENT_RATE
    return {
        "kind": kind,
        "shape": list(array.shape),
        "type": str(array.dtype),
        "seconds": seconds,
        "mean": float(array.mean(dtype=np.float64)),
        "standard_deviation": float(array.std(dtype=np.float64)),
    }


def _describe_weights(path: Path) -> dict[str, Any]:
    import math

    from dd_tools.formats.checkpoint import read_metadata

    metadata = read_metadata(path)
    return {
        "kind": f"{metadata['kind']} {metadata['content']}",
        "parameters": sum(math.prod(shape) for shape in metadata["tensors"].values()),
        "config": metadata["config"],
        "training": metadata["training"],
        "history": metadata["history"],
    }


def _describe_released(path: Path) -> dict[str, Any]:
    from dd_tools.formats.released import read_released

    released = read_released(path)
    return {
        "kind": f"{released.stage}, for dd-import",
        "source": released.source,
        "values": sum(tensor.numel() for tensor in released.tensors.values()),
        "moving average": released.averaged,
        "x_T": None if released.x_T is None else list(released.x_T.shape),
        "other keys": released.grouped(released.unused),
    }


def _describe_video(path: Path) -> dict[str, Any]:
    from dataclasses import asdict

    from dd_tools.media.probe import probe

    values = {name: value for name, value in asdict(probe(path)).items() if name != "path"}
    return {"kind": "image" if values["is_still"] else "video"} | values


def _format_lines(values: dict | list, indent: str = "") -> list[str]:
    """Nested values as indented lines ``name: value``."""
    lines = []
    for name, value in values.items() if isinstance(values, dict) else enumerate(values):
        if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value)):
            lines += [f"{indent}{name}:", *_format_lines(value, indent + "  ")]
        elif isinstance(value, list):
            items = ", ".join(map(str, value[:MAX_LIST_ITEMS]))
            rest = f" … ({len(value)} in all)" if len(value) > MAX_LIST_ITEMS else ""
            lines.append(f"{indent}{name}: {items}{rest}")
        else:
            lines.append(f"{indent}{name}: {value}")
    return lines


run = console_command("dd-info", info)
