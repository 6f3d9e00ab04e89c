"""Reads weights of third-party networks from PyTorch, safetensors and NumPy files. Pickled code is never run."""

import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from dd_tools.errors import DataError, first_line
from dd_tools.formats.companions import utf8_path
from dd_tools.formats.npy import read_header, read_values
from dd_tools.formats.pickle_checks import LEGACY_PICKLES, names_in_pickle, names_in_zip
from dd_tools.formats.tensor_checks import check_tensors

ZIP_START = b"PK\x03\x04"
MAX_NPZ_RATIO = 100  # bytes of arrays that one byte of a compressed file may hold; weights hardly shrink at all


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Read a state dict from a file: ``.npz``, ``.safetensors``, or a PyTorch file with any other suffix.

    Raises `DataError` if the file cannot be read, contains anything but named tensors, and for NaN and infinite values.
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
    named = isinstance(state, Mapping) and [isinstance(name, str) for name in state]
    if not (named and all(named) and all(isinstance(value, torch.Tensor) for value in state.values())):
        raise DataError(f"cannot use '{path}': not a state dict of named tensors")
    check_tensors(state, path)
    return dict(state)


def _read_torch(path: Path) -> dict:
    with open(path, "rb") as stream:
        is_zip = stream.read(len(ZIP_START)) == ZIP_START  # as torch decides; a file can be both
    if is_zip:
        names = names_in_zip(path)
    else:
        with open(path, "rb") as stream:
            names = set().union(*(names_in_pickle(stream) for _ in range(LEGACY_PICKLES)))
    if names:
        raise pickle.UnpicklingError
    with utf8_path(path) as readable:
        return torch.load(readable, map_location="cpu", weights_only=True)


def _read_npz(path: Path) -> dict:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > MAX_NPZ_RATIO * path.stat().st_size:
            raise ValueError("its arrays are larger than the file can hold")
        tensors = {}
        for entry in entries:
            with archive.open(entry) as stream:
                array = read_values(stream, read_header(stream))
            tensors[entry.filename.removesuffix(".npy")] = torch.from_numpy(np.ascontiguousarray(array))
    return tensors


def _read_safetensors(path: Path) -> dict:
    from safetensors.torch import load_file

    with utf8_path(path) as readable:
        return load_file(readable)


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
        digest.update(state[name].contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:8]
