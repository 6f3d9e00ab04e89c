"""Checkpoints released by the paper's authors and by those of Diff-AE: pickles, read without running code in them."""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dd_tools.errors import DataError, reason
from dd_tools.formats.checkpoint import MOTION, RENDERER
from dd_tools.formats.companions import utf8_path
from dd_tools.formats.pickle_checks import names_in_zip
from dd_tools.formats.tensor_checks import check_tensors

# Prefixes of the classes that training programs store in checkpoints besides tensors. None of them is loaded: `_Inert`
# takes their place.
HARMLESS = (
    "pytorch_lightning.",
    "lightning.",
    "lightning_fabric.",
    "torchmetrics.",
    "argparse.Namespace",
    "collections.defaultdict",
    "pathlib.",
    "numpy.",
    "config.",  # this and the next: modules with the authors' settings
    "choices.",
)

# For each stage: a tensor name that no other network has, a prefix to strip from the network's tensor names, and the
# first components of these names before it is stripped.
_NETWORKS = {
    RENDERER: (
        "time_embed.time_embed.0.weight",
        "",
        ("time_embed", "input_blocks", "middle_block", "output_blocks", "out", "encoder"),
    ),
    MOTION: ("encoder.down_sample_audio_nar.weight", "encoder.", ("encoder",)),
}


class _Inert:
    """Takes the place of a class that is not loaded: accepts any arguments and any state, and does nothing."""

    def __init__(self, *args: object):
        pass

    def __setstate__(self, state: object) -> None:
        pass


@dataclass(frozen=True)
class ReleasedCheckpoint:
    """A released network.

    stage: `RENDERER` or `MOTION`.
    source: which release it is, such as "DiffDub stage 1".
    prefix: prefix of its tensor names in the file.
    tensors: its tensors by name without the prefix, memory-mapped.
    x_T: the noise (N, 3, S, S) saved with it, if any.
    unused: the names of everything else in the file.
    """

    stage: str
    source: str
    prefix: str
    tensors: dict[str, Tensor]
    x_T: Tensor | None
    unused: list[str]

    @property
    def averaged(self) -> bool:
        """Whether these are the weights of the moving average, not of the last step."""
        return "ema" in self.prefix

    def grouped(self, names: Iterable[str]) -> dict[str, int]:
        """How many of the unused `names` belong to each object in the file, such as ``model``."""
        depth = self.prefix.count(".") + 1  # unused parts of the network that was read are counted separately
        return dict(
            Counter(".".join(name.split(".")[: depth if name.startswith(self.prefix) else 1]) for name in names)
        )


def read_released(path: str | Path) -> ReleasedCheckpoint:
    """Read stage 1 or 2 of DiffDub, or a Diff-AE, from a Lightning checkpoint or a bare state dict.

    If the file has several copies of the network, the moving average is used. Raises `DataError` for a file that cannot
    be read, that holds another network, that would run code, or that holds NaN or infinite values.
    """
    content = _read_pickle(Path(path))
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise DataError(f"cannot use '{path}': it holds no named tensors")
    tensors = {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)}
    stage, prefix = _recognise(tensors, path)
    _, inner, parts = _NETWORKS[stage]
    used = {
        name: name.removeprefix(prefix).removeprefix(inner)
        for name in tensors
        if name.startswith(prefix) and name.removeprefix(prefix).split(".")[0] in parts
    }
    found = {short: tensors[name] for name, short in used.items()}
    check_tensors(found, path)
    if sum(tensor.nbytes for tensor in found.values()) > Path(path).stat().st_size:
        raise DataError(f"cannot use '{path}': its tensors are larger than the file")
    noise = tensors.get("x_T")
    if noise is not None:
        check_tensors({"x_T": noise[:1] if noise.ndim == 4 else noise}, path)
    keys = map(_shown, [*state] if state is content else [*state, *content])
    return ReleasedCheckpoint(
        stage=stage,
        source=_source(stage, found),
        prefix=prefix,
        tensors=found,
        x_T=noise if noise is not None and noise.ndim == 4 else None,
        unused=[key for key in keys if key not in used and key != "state_dict"],
    )


def count_blocks(tensors: Iterable[str], prefix: str) -> int:
    """How many numbered blocks the names of tensors that start with `prefix` belong to."""
    return len({name.removeprefix(prefix).split(".")[0] for name in tensors if name.startswith(prefix)})


def _shown(key: object) -> str:
    return key if isinstance(key, str) else f"a {type(key).__name__}"


def _read_pickle(path: Path) -> object:
    """The content of a file of `torch.save`, its tensors memory-mapped. Raises `DataError` if that would run code."""
    if not path.is_file():
        raise DataError(f"cannot read '{path}': {'it is a folder' if path.is_dir() else 'no such file'}")
    try:
        with utf8_path(Path(path)) as readable:
            foreign = names_in_zip(readable)
            for name in sorted(foreign):
                if not name.startswith(HARMLESS):
                    raise DataError(f"cannot use '{path}': it would run '{name}', and no code in a checkpoint is run")
            with torch.serialization.safe_globals([(_stand_in(name), name) for name in foreign]):
                return torch.load(readable, map_location="cpu", weights_only=True, mmap=True)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"cannot read '{path}': {reason(error)}") from None
    except Exception as error:  # zip, pickle and tensor defects have no common class
        raise DataError(f"cannot read '{path}': truncated, or not a checkpoint of PyTorch 1.6 or newer") from error


def _stand_in(name: str) -> type:
    """The class to use instead of `name`. PyTorch's unpickler fills in items of no dictionary classes but its own."""
    return OrderedDict if name.lower().endswith("dict") else _Inert


def _recognise(tensors: dict[str, Tensor], path: str | Path) -> tuple[str, str]:
    """The stage of the network in a state dict, and the prefix of the copy to use."""
    for stage, (marker, _, _) in _NETWORKS.items():
        prefixes = [name.removesuffix(marker) for name in tensors if name.endswith(marker)]
        prefixes = [prefix for prefix in prefixes if prefix == "" or prefix.endswith(".")]
        if prefixes:
            return stage, max(prefixes, key=lambda prefix: "ema" in prefix)
    example = f"tensors such as '{next(iter(tensors))}'" if tensors else "nothing"
    raise DataError(f"cannot use '{path}': expected DiffDub's stage 1 or 2 or a Diff-AE, found {example}")


def _source(stage: str, tensors: dict[str, Tensor]) -> str:
    if stage != RENDERER:
        return "DiffDub stage 2"
    # Diff-AE's U-Net takes the noisy image alone, DiffDub's also a reference image.
    first = tensors.get("input_blocks.0.0.weight")
    return "Diff-AE" if first is not None and first.ndim > 1 and first.shape[1] == 3 else "DiffDub stage 1"
