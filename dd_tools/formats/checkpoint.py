"""Weights and training states as safetensors: tensors plus JSON metadata, never a pickle."""

import json
import operator
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dd_tools.errors import DataError, UsageError, first_line, reason
from dd_tools.formats.atomic import atomic_output
from dd_tools.formats.companions import utf8_path
from dd_tools.formats.strict_json import parse_object

if TYPE_CHECKING:  # torch is slow to import, and metadata is read without it
    from torch import Tensor, nn

Module = TypeVar("Module", bound="nn.Module")

FORMAT = "dd-weights"
VERSION = 2

RENDERER, MOTION = "renderer", "motion model"
TRAINING_STATE = "training state"
EMA_PREFIX = "ema."  # of the moving average's tensors in a training state
MAX_HEADER = 1 << 24  # bytes, a hundred times those of the largest network here

# What to do about weights of another version.
_REMEDY = "train the model again, or convert the authors' checkpoint again with dd-import"


@dataclass
class Checkpoint:
    """A weights file in memory.

    stage: `RENDERER` or `MOTION`.
    kind: kind of the model, ``diffdub`` or ``warp``.
    config: everything needed to rebuild the model, as JSON values.
    tensors: name to torch tensor.
    training: what the model was trained on and how.
    history: see `dd_tools.formats.history`.
    """

    stage: str
    kind: str
    config: dict
    tensors: dict = field(default_factory=dict, repr=False)
    training: dict = field(default_factory=dict)
    history: list[dict] = field(default_factory=list)


def write_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` atomically; equal contents give equal bytes. Raises `DataError` if writing fails."""
    _write(path, checkpoint.stage, checkpoint)


def write_training_state(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write the state of an unfinished training run; its tensors under `EMA_PREFIX` can be used as weights."""
    _write(path, TRAINING_STATE, checkpoint)


def _write(path: str | Path, content: str, checkpoint: Checkpoint) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "content": content,
        "stage": checkpoint.stage,
        "kind": checkpoint.kind,
        "config": checkpoint.config,
        "training": checkpoint.training,
        "history": checkpoint.history,
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    with atomic_output(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={"dd_tools": json.dumps(metadata, sort_keys=True)})
        except SafetensorError as error:
            raise DataError(f"cannot write '{path}': {error}") from None


def read_checkpoint(path: str | Path, stage: str) -> Checkpoint:
    """Read the weights of one `stage`. From a training state, read the moving average of the weights.

    Raises `DataError` for another stage, another program's file, another version, a damaged file, and for NaN and
    infinite values.
    """
    from dd_tools.formats.tensor_checks import check_tensors

    checkpoint, content = _read(path)
    if checkpoint.stage != stage:
        raise DataError(f"cannot use '{path}': it holds a {checkpoint.stage}, expected a {stage}")
    if content == TRAINING_STATE:
        averaged = {name: tensor for name, tensor in checkpoint.tensors.items() if name.startswith(EMA_PREFIX)}
        checkpoint.tensors = {name.removeprefix(EMA_PREFIX): tensor for name, tensor in averaged.items()}
    check_tensors(checkpoint.tensors, path)
    return checkpoint


def read_training_state(path: str | Path) -> Checkpoint:
    """Read the state of an unfinished training run. Raises `DataError` as `read_checkpoint` does."""
    from dd_tools.formats.tensor_checks import check_tensors

    checkpoint, content = _read(path)
    if content != TRAINING_STATE:
        raise DataError(f"cannot use '{path}': it holds a {content}, expected a {TRAINING_STATE}")
    check_tensors(checkpoint.tensors, path)
    return checkpoint


def _read(path: str | Path) -> tuple[Checkpoint, str]:
    """The file in memory, and its content: a stage, for weights, or `TRAINING_STATE`."""
    from safetensors.torch import load_file

    metadata = read_metadata(path)
    try:
        with utf8_path(Path(path)) as readable:
            tensors = load_file(readable)
    except Exception as error:  # safetensors has one exception class for every defect of the file
        raise DataError(f"cannot read '{path}': damaged safetensors file ({error})") from None
    fields = (metadata[name] for name in ("stage", "kind", "config"))
    return Checkpoint(*fields, tensors, metadata["training"], metadata["history"]), metadata["content"]


def module_with(tensors: dict[str, "Tensor"], build: Callable[[], Module], path: str | Path) -> Module:
    """The module that `build` returns, with the weights `tensors`, in eval mode.

    It is built on the meta device, so no time goes into random weights. `tensors` are converted to its dtypes. path:
    the weights file, for error messages. Raises `DataError` for a tensor that is missing, unknown, of another shape, or
    too large for its dtype, and for a configuration that `build` refuses.
    """
    from dd_tools.formats.tensor_checks import check_fit, check_tensors, on_meta

    try:
        module = on_meta(build, len(tensors))
    except (DataError, UsageError) as error:
        raise DataError(f"cannot use '{path}': {error}") from None
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(f"cannot use '{path}': no network has its configuration ({first_line(error)})") from None
    state = module.state_dict()
    check_fit(tensors, state, path)
    converted = {name: tensor.to(state[name].dtype) for name, tensor in tensors.items()}
    check_tensors(converted, path)
    module.load_state_dict(converted, assign=True)
    return module.eval()


def read_metadata(path: str | Path) -> dict:
    """The JSON metadata of a weights file, and ``tensors``: name to shape. Does not need torch. Raises `DataError`."""
    path = Path(path)
    metadata, shapes, end = _read_header(path)
    if "dd_tools" not in metadata:
        raise DataError(
            f"cannot use '{path}': a safetensors file of another program; convert the authors' weights with dd-import"
        )
    if path.stat().st_size < end:
        raise DataError(f"cannot read '{path}': truncated ({path.stat().st_size} of {end} bytes)")
    try:
        values = parse_object(metadata["dd_tools"])
        version = values["version"]
    except (ValueError, LookupError, TypeError):
        raise DataError(f"cannot read '{path}': damaged metadata") from None
    if version != VERSION:
        raise DataError(f"cannot use '{path}': weights version {version}, this program reads {VERSION}; {_REMEDY}")
    if missing := sorted(set(_FIELDS) - set(values)):
        raise DataError(f"cannot read '{path}': damaged metadata, without {', '.join(missing)}")
    for name, is_valid in _FIELDS.items():
        if not is_valid(values[name]):
            raise DataError(f"cannot read '{path}': damaged metadata, {name} is {json.dumps(values[name])[:40]}")
    return values | {"tensors": shapes}


def _is_notes(value: object) -> bool:
    """Whether these can be training notes."""
    return isinstance(value, dict) and isinstance(value.get("settings", {}), dict)


def _is_history(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


# The metadata, besides the version: what is stored under each name.
_FIELDS: dict[str, Callable[[object], bool]] = {
    "format": lambda value: value == FORMAT,
    "content": lambda value: value in (RENDERER, MOTION, TRAINING_STATE),
    "stage": lambda value: value in (RENDERER, MOTION),
    "kind": lambda value: isinstance(value, str),
    "config": lambda value: isinstance(value, dict),
    "training": _is_notes,
    "history": _is_history,
}


def _read_header(path: Path) -> tuple[dict, dict[str, tuple], int]:
    """The metadata of a safetensors file, its tensors' shapes, and the size in bytes that the file must have."""
    prefix = b""
    try:
        size = path.stat().st_size
        with open(path, "rb") as stream:
            prefix = stream.read(8)
            length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
            text = stream.read(length) if 0 < length <= min(size, MAX_HEADER) else b""
        table = parse_object(text)
        metadata = dict(table.pop("__metadata__", {}))
        shapes = {name: tuple(map(operator.index, entry["shape"])) for name, entry in table.items()}
        ends = [operator.index(entry["data_offsets"][1]) for entry in table.values()]
        return metadata, shapes, 8 + length + max(ends, default=0)
    except FileNotFoundError:
        raise DataError(f"cannot read '{path}': no such file") from None
    except OSError as error:
        raise DataError(f"cannot read '{path}': {reason(error)}") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        hint = "; convert the authors' checkpoints with dd-import" if prefix.startswith(b"PK") else ""
        raise DataError(f"cannot read '{path}': not a safetensors file{hint}") from None
