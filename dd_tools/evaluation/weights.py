"""Weights of other people's networks, from files that users bring; nothing pickled in them is run."""

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from dd_tools.errors import DataError


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """A state dict by name from a PyTorch file, ``.safetensors`` or ``.npz``. Raises `DataError` for anything else."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"cannot read '{path}': no such file")
    try:
        state = _READERS.get(path.suffix.lower(), _read_torch)(path)
    except pickle.UnpicklingError:
        raise DataError(f"cannot read '{path}': no plain state dict; nothing pickled in it is run") from None
    except Exception as error:  # each library has its own for a defect of the file
        raise DataError(f"cannot read '{path}': no weights ({str(error).splitlines()[0]})") from None
    if not (isinstance(state, Mapping) and state and all(isinstance(one, torch.Tensor) for one in state.values())):
        raise DataError(f"cannot use '{path}': no state dict (tensors by name)")
    return dict(state)


def _read_torch(path: Path) -> dict:
    return torch.load(path, map_location="cpu", weights_only=True)


def _read_npz(path: Path) -> dict:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def _read_safetensors(path: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(path)


_READERS = {".npz": _read_npz, ".safetensors": _read_safetensors}


def load_into(network: torch.nn.Module, state: Mapping[str, torch.Tensor], path: str | Path, kind: str) -> None:
    """Load a whole state dict into `network`. Raises `DataError` that names the first tensor that does not fit."""
    own = network.state_dict()
    for name, tensor in own.items():
        found = tuple(state[name].shape) if name in state else "none"
        if found != tuple(tensor.shape):
            raise DataError(f"cannot use '{path}' as {kind}: '{name}' is {found}, expected {tuple(tensor.shape)}")
    network.load_state_dict({name: state[name] for name in own})


def fingerprint(state: Mapping[str, torch.Tensor]) -> str:
    """Eight hexadecimal digits of the tensors' content, whatever kind of file it came in."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].contiguous().numpy().tobytes())
    return digest.hexdigest()[:8]
