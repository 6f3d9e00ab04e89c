"""Networks that the user gives as ONNX files, and what each measure expects of them.

Only ONNX files are read, because no code in them can run, unlike in pickles and TorchScript.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError, first_line
from dd_tools.formats.onnx_file import read_onnx
from dd_tools.formats.onnx_network import open_session

BATCH = 16  # images


@dataclass(frozen=True)
class Contract:
    """The single input of a network, float32. Its first output is used.

    option: the option that names the file. shape: of the input; letters are sizes that the network must leave open,
    except that N may be 1. S, the height and width of images, may be fixed to one size.
    """

    option: str
    shape: tuple[int | str, ...]

    def accepts(self, shape: list[int | str | None]) -> bool:
        """Whether an input of this shape fits: its sizes are numbers, or anything else where they are open."""
        return len(shape) == len(self.shape) and len(set(self._sizes(shape))) <= 1 and all(
            not isinstance(size, int) or size == expected or expected == "S" or (expected == "N" and size == 1)
            for size, expected in zip(shape, self.shape, strict=True)
        )  # fmt: skip

    def _sizes(self, shape: list[int | str | None]) -> list[int]:
        """The numbers in the places of S."""
        return [
            size for size, expected in zip(shape, self.shape, strict=True) if expected == "S" and isinstance(size, int)
        ]

    def size_in(self, shape: list[int | str | None]) -> int | None:
        """The number in the places of S; None if it is open."""
        return next(iter(self._sizes(shape)), None)


class GivenNetwork:
    """The network in an ONNX file, on the CPU.

    sha256: hexadecimal digest of the file. size: of the images, None if the network leaves it open. Raises `DataError`
    if the file holds no network that fits the contract.
    """

    def __init__(self, path: Path, contract: Contract):
        model = read_onnx(path)
        self.sha256 = hashlib.sha256(model).hexdigest()
        self._session, self._path = open_session(model, path), path
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or not contract.accepts(inputs[0].shape):
            found = " and ".join(f"{one.type} {_written(one.shape)}" for one in inputs) or "nothing"
            expected = f"tensor(float) {_written(contract.shape)}"
            raise DataError(f"cannot use '{path}' for {contract.option}: its input is {found}, expected {expected}")
        self._input = inputs[0].name
        self._at_once = 1 if contract.shape[0] == 1 or inputs[0].shape[0] == 1 else BATCH
        self.size = contract.size_in(inputs[0].shape)

    @property
    def fingerprint(self) -> str:
        """The first eight digits of `sha256`, for signatures."""
        return self.sha256[:8]

    def __call__(self, images: np.ndarray, rows: int | None = None) -> np.ndarray:
        """The first output for images (N,...), as float64 (rows,D); `rows` is N by default.

        Raises `DataError` if the network fails, or if its output has no such shape.
        """
        rows = len(images) if rows is None else rows
        parts = [self._run(images[start : start + self._at_once]) for start in range(0, len(images), self._at_once)]
        values = np.concatenate([part.reshape(-1) for part in parts])
        if not len(values) or len(values) % rows:
            raise DataError(f"cannot use '{self._path}': its output has {len(values)} values for {rows} images")
        return values.reshape(rows, -1)

    def _run(self, images: np.ndarray) -> np.ndarray:
        try:
            return np.float64(self._session.run(None, {self._input: np.float32(images)})[0])
        except Exception as error:  # onnxruntime's errors have no common class
            raise DataError(f"cannot compute '{self._path}': {first_line(error)}") from None


def _written(shape: tuple[int | str, ...] | list[int | str | None]) -> str:
    """For example ``(N, 3, 112, 112)``; sizes left open without a name are question marks."""
    return "(" + ", ".join("?" if size is None else str(size) for size in shape) + ")"


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Cosine similarities (N,) of embeddings (N,D), from −1 to 1; NaN for an embedding of length 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (one * other).sum(-1) / (np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1))
