"""dd-info: what a file is, its shapes, its settings, its history."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.session import Session
from dd_tools.errors import DataError

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Clips, arrays, weights, videos, sounds or pictures.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def info(session: Session, files: Files, as_json: Json = False) -> None:
    """Say what each file is: shapes, settings, and the history of commands that made it."""

    def show(path: Path) -> None:
        facts = {"file": str(path)} | describe(path)
        typer.echo(json.dumps(facts) if as_json else "\n".join(_lines(facts)))

    session.for_each(files, show)


def describe(path: Path) -> dict[str, Any]:
    """Facts about one file of any kind the commands exchange, as JSON values. Raises `DataError`."""
    if not path.is_file():
        raise DataError(f"cannot read '{path}': {'it is a folder' if path.is_dir() else 'no such file'}")
    readers = {".h5": _describe_clip, ".npy": _describe_array, ".safetensors": _describe_weights}
    readers |= dict.fromkeys((".ckpt", ".pt", ".pth"), _describe_released)
    return readers.get(path.suffix.lower(), _describe_media)(path)


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
        "deviation": float(array.std(dtype=np.float64)),
    }


def _describe_weights(path: Path) -> dict[str, Any]:
    import math

    from dd_tools.formats.checkpoint import read_metadata

    header = read_metadata(path)
    return {
        "kind": f"{header['kind']} {header['content']}",
        "parameters": sum(math.prod(shape) for shape in header["tensors"].values()),
        "config": header["config"],
        "training": header["training"],
        "history": header["history"],
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


def _describe_media(path: Path) -> dict[str, Any]:
    from dataclasses import asdict

    from dd_tools.media.video import probe

    facts = {key: value for key, value in asdict(probe(path)).items() if key != "path"}
    return {"kind": "picture" if facts["is_still"] else "video"} | facts


def _lines(value: Any, indent: str = "") -> list[str]:
    """A nested value as indented `name: value` lines."""
    lines = []
    for name, entry in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(entry, dict) or (isinstance(entry, list) and any(isinstance(item, dict) for item in entry)):
            lines += [f"{indent}{name}:", *_lines(entry, indent + "  ")]
        elif isinstance(entry, list) and len(entry) > 12:
            lines.append(f"{indent}{name}: {', '.join(map(str, entry[:12]))} … ({len(entry)} in all)")
        else:
            lines.append(f"{indent}{name}: {', '.join(map(str, entry)) if isinstance(entry, list) else entry}")
    return lines


run = console_command("dd-info", info)
