"""Checkpoints of the paper's authors and of Diff-AE, which are pickles: read without running anything in them."""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dd_tools.errors import DataError
from dd_tools.formats.checkpoint import RENDERER
from dd_tools.formats.reference_names import RELEASED

# What training programs leave in their checkpoints besides tensors. None of it is imported: `_Inert` takes its place.
HARMLESS = (
    "pytorch_lightning.",
    "lightning.",
    "lightning_fabric.",
    "torchmetrics.",
    "argparse.Namespace",
    "collections.defaultdict",
    "pathlib.",
    "numpy.",
    "config.",  # of the authors' settings, and the next
    "choices.",
)


class _Inert:
    """Stands in for a class that is not loaded: takes any arguments and any state, does nothing."""

    def __init__(self, *args: object):
        pass

    def __setstate__(self, state: object) -> None:
        pass


@dataclass(frozen=True)
class ReferenceCheckpoint:
    """A released network, under our names.

    kind: `RENDERER` or `MOTION`. source: who released it. prefix: of its names in the file. tensors: mapped from the
    file, not loaded. x_T: the noise (N, 3, S, S) saved with it, if any. unused: the names of everything else.
    """

    kind: str
    source: str
    prefix: str
    tensors: dict[str, Tensor]
    x_T: Tensor | None
    unused: list[str]

    @property
    def averaged(self) -> bool:
        """Whether these are the moving average's weights, not the last step's."""
        return "ema" in self.prefix

    def grouped(self, names: Iterable[str]) -> dict[str, int]:
        """How many of the unused `names` belong to each object of the file, such as ``model``."""
        own = self.prefix.count(".") + 1  # a group within the object that was used has one component more
        return dict(Counter(".".join(name.split(".")[: own if name.startswith(self.prefix) else 1]) for name in names))


def read_reference_checkpoint(path: str | Path) -> ReferenceCheckpoint:
    """Recognise DiffDub's stage 1 or 2 or a Diff-AE, in a Lightning checkpoint or as a bare state dict.

    Where the file holds several copies of the network, the moving average is taken. Raises `DataError`.
    """
    content = _read_pickle(Path(path))
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise DataError(f"cannot use '{path}': no named tensors in it")
    tensors = {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    kind, prefix = _recognise(tensors, path)
    names = RELEASED[kind]
    used = {
        name: names.ours(name.removeprefix(prefix))
        for name in tensors
        if name.startswith(prefix) and name.removeprefix(prefix).split(".")[0] in names.parts
    }
    found = {ours: tensors[name] for name, ours in used.items()}
    _check_finite(found, path)
    noise = tensors.get("x_T")
    keys = [*state] if state is content else [*state, *content]
    return ReferenceCheckpoint(
        kind=kind,
        source=_source(kind, found),
        prefix=prefix,
        tensors=found,
        x_T=noise if noise is not None and noise.ndim == 4 else None,
        unused=[str(key) for key in keys if key not in used and key != "state_dict"],
    )


def blocks_in(tensors: Iterable[str], prefix: str) -> int:
    """How many numbered blocks the names of tensors that begin with `prefix` belong to."""
    return len({name.removeprefix(prefix).split(".")[0] for name in tensors if name.startswith(prefix)})


def _read_pickle(path: Path) -> object:
    """What a file of `torch.save` holds, its tensors mapped. Raises `DataError` where that would need code."""
    if not path.is_file():
        raise DataError(f"cannot read '{path}': {'it is a folder' if path.is_dir() else 'no such file'}")
    try:
        foreign = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        for name in foreign:
            if not name.startswith(HARMLESS):
                raise DataError(f"cannot use '{path}': it wants to run '{name}', and no code of a checkpoint is run")
        with torch.serialization.safe_globals([(_stand_in(name), name) for name in foreign]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error.strerror or error}") from None
    except Exception as error:  # zip, pickle and tensor defects have no common class
        raise DataError(f"cannot read '{path}': truncated, or not a checkpoint of PyTorch 1.6 or newer") from error


def _stand_in(name: str) -> type:
    """What to make instead of an object of class `name`; the loader fills in no other dictionaries than its own."""
    return OrderedDict if name.lower().endswith("dict") else _Inert


def _recognise(tensors: dict[str, Tensor], path: str | Path) -> tuple[str, str]:
    """The kind of network in a state dict, and the prefix of the copy to take."""
    for kind, names in RELEASED.items():
        prefixes = [name.removesuffix(names.marker) for name in tensors if name.endswith(names.marker)]
        prefixes = [prefix for prefix in prefixes if prefix == "" or prefix.endswith(".")]
        if prefixes:
            return kind, max(prefixes, key=lambda prefix: "ema" in prefix)
    example = f"tensors such as '{next(iter(tensors))}'" if tensors else "nothing"
    raise DataError(f"cannot use '{path}': expected DiffDub's stage 1 or 2 or a Diff-AE, found {example}")


def _check_finite(tensors: dict[str, Tensor], path: str | Path) -> None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise DataError(f"cannot use '{path}': tensor '{name}' holds NaN or infinite values")


def _source(kind: str, tensors: dict[str, Tensor]) -> str:
    if kind != RENDERER:
        return "DiffDub stage 2"
    first = tensors.get("unet.input_blocks.0.0.weight")
    return "Diff-AE" if first is not None and first.shape[1] == 3 else "DiffDub stage 1"
