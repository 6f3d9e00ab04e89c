"""Reads weights of third-party networks from PyTorch, safetensors and NumPy files. Pickled code is never run."""

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from dd_tools.errors import DataError, first_line


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Read a state dict from a file: ``.npz``, ``.safetensors``, or a PyTorch file with any other suffix.

    Raises `DataError` if the file cannot be read or contains anything but named tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"cannot read '{path}': no such file")
    try:
        state = _READERS.get(path.suffix.lower(), _read_torch)(path)
    except pickle.UnpicklingError:
        raise DataError(f"cannot read '{path}': not a plain state dict (pickled code is never run)") from None
    except Exception as error:  # every library has its own exceptions for a broken file
        raise DataError(f"cannot read '{path}': not a weights file ({first_line(error)})") from None
    if not (isinstance(state, Mapping) and state and all(isinstance(value, torch.Tensor) for value in state.values())):
        raise DataError(f"cannot use '{path}': not a state dict of named tensors")
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
    """Load the weights of `network` from `state`; other tensors in `state` are ignored.

    path, kind: the file and the name of the network, for error messages. Raises `DataError` about the first tensor that
    is missing or has another shape; the network is then unchanged.
    """
    own = network.state_dict()
    for name, tensor in own.items():
        if name not in state:
            raise DataError(f"cannot use '{path}' as {kind}: '{name}' is missing")
        if state[name].shape != tensor.shape:
            found, expected = tuple(state[name].shape), tuple(tensor.shape)
            raise DataError(f"cannot use '{path}' as {kind}: '{name}' has shape {found}, expected {expected}")
    network.load_state_dict({name: state[name] for name in own})


def fingerprint(state: Mapping[str, torch.Tensor]) -> str:
    """The first eight hexadecimal digits of the SHA-256 of names and values. It does not depend on the file format."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].contiguous().numpy().tobytes())
    return digest.hexdigest()[:8]
