"""Weights and training states as safetensors: tensors plus JSON metadata, never a pickle."""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dd_tools.errors import DataError
from dd_tools.formats.atomic import atomic_output

if TYPE_CHECKING:  # torch is slow to import, and headers are read without it
    from torch import Tensor, nn

Module = TypeVar("Module", bound="nn.Module")

FORMAT = "dd-weights"
VERSION = 1

RENDERER = "renderer"
MOTION = "motion model"
TRAINING_STATE = "training state"
EMA_PREFIX = "ema."  # of the moving average's tensors in a training state


@dataclass
class Checkpoint:
    """A safetensors file of ours in memory.

    kind: `RENDERER`, `MOTION` or `TRAINING_STATE`. config: everything needed to rebuild the model, plain JSON values.
    tensors: name to torch tensor. training: what it was trained on and how. history: see `dd_tools.formats.history`.
    """

    kind: str
    config: dict
    tensors: dict = field(repr=False)
    training: dict = field(default_factory=dict)
    history: list[dict] = field(default_factory=list)


def write_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` atomically; the same content gives the same bytes."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    header = {
        "format": FORMAT,
        "version": VERSION,
        "kind": checkpoint.kind,
        "config": checkpoint.config,
        "training": checkpoint.training,
        "history": checkpoint.history,
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    with atomic_output(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={"dd_tools": json.dumps(header, sort_keys=True)})
        except SafetensorError as error:
            raise DataError(f"cannot write '{path}': {error}") from None


def read_checkpoint(path: str | Path, kind: str) -> Checkpoint:
    """Read weights of one `kind`. Raises `DataError` for anything else: another kind, another program's file,
    truncation.

    The state of an unfinished training serves as the weights it has so far (the moving average).
    """
    from safetensors.torch import load_file

    header = read_metadata(path)
    unfinished = header["kind"] == TRAINING_STATE and header["config"]["kind"] == kind
    if header["kind"] != kind and not unfinished:
        raise DataError(f"cannot use '{path}': it holds a {header['kind']}, expected a {kind}")
    try:
        tensors = load_file(path)
    except Exception as error:  # safetensors has one exception class for every defect of the file
        raise DataError(f"cannot read '{path}': damaged safetensors file ({error})") from None
    config = header["config"]
    if unfinished:
        config = config["model"]
        tensors = {name.removeprefix(EMA_PREFIX): t for name, t in tensors.items() if name.startswith(EMA_PREFIX)}
    return Checkpoint(kind, config, tensors, header["training"], header["history"])


def module_with(tensors: dict[str, "Tensor"], build: Callable[[], Module], path: str | Path) -> Module:
    """The module that `build` makes, in eval mode, holding these very tensors: nothing is initialised or copied.

    `path` is for the error message. Raises `DataError` for a tensor that is missing, of another shape, or unknown.
    """
    import torch

    with torch.device("meta"):
        module = build()
    expected = module.state_dict()
    for name in [*expected, *tensors]:
        wanted = tuple(expected[name].shape) if name in expected else "none"
        found = tuple(tensors[name].shape) if name in tensors else "missing"
        if wanted != found:
            raise DataError(
                f"cannot use '{path}': tensor '{name}' is {found}, expected {wanted}; was it made by another version?"
            )
    fitting = {name: tensor.to(expected[name].dtype) for name, tensor in tensors.items()}
    module.load_state_dict(fitting, assign=True)
    return module.eval()


def read_metadata(path: str | Path) -> dict:
    """The JSON metadata of a safetensors file of ours, without its tensors (no torch needed). Raises `DataError`."""
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            prefix = stream.read(8)
            length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
            # 100 MB is the header limit of the safetensors format itself.
            text = stream.read(length) if 0 < length <= 100_000_000 else b""
        table = json.loads(text)
        metadata = table.pop("__metadata__", {})
        end = 8 + length + max((entry["data_offsets"][1] for entry in table.values()), default=0)
    except FileNotFoundError:
        raise DataError(f"cannot read '{path}': no such file") from None
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        hint = "; authors' checkpoints go through dd-import" if prefix.startswith(b"PK") else ""
        raise DataError(f"cannot read '{path}': not a safetensors file{hint}") from None
    if "dd_tools" not in metadata:
        raise DataError(
            f"cannot use '{path}': a safetensors file, but not of these tools; authors' weights go through dd-import"
        )
    if path.stat().st_size < end:
        raise DataError(f"cannot read '{path}': truncated ({path.stat().st_size} of {end} bytes)")
    header = json.loads(metadata["dd_tools"])
    if header.get("version") != VERSION:
        raise DataError(f"cannot use '{path}': format version {header.get('version')}, this program reads {VERSION}")
    return header | {"tensors": {name: tuple(entry["shape"]) for name, entry in table.items()}}
