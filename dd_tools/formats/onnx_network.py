"""Open networks in ONNX files: those that ship, and those of others after `dd_tools.formats.onnx_file`'s checks."""

import os
from pathlib import Path

from dd_tools.errors import DataError, first_line
from dd_tools.weights import shipped_file

# onnxruntime (1.32 on Linux) collects telemetry and sends it to its makers, unless this is set before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime


def open_network(name: str, threads: int | None = 1) -> onnxruntime.InferenceSession:
    """The shipped network ``NAME.onnx``. threads: see `open_session`; the face networks gain nothing by more than one.

    Raises `DataError` if it is missing or damaged.
    """
    path = shipped_file(f"{name}.onnx")
    return open_session(path, path, threads)


def open_session(model: Path | bytes, path: str | Path, threads: int | None = None) -> onnxruntime.InferenceSession:
    """The network in an ONNX file, or in the bytes of one, on the CPU.

    path: names the file in messages. threads: None for as many as PyTorch uses, which is ``OMP_NUM_THREADS``, or one
    per core without it. Raises `DataError` if it is no network that onnxruntime can compute.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _torch_threads() if threads is None else threads
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "0"
    )  # waiting threads leave the cores to others
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")  # and nothing that looks like another format
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common class
        raise DataError(f"cannot open '{path}': {first_line(error)}") from None


def _torch_threads() -> int:
    """The number in ``OMP_NUM_THREADS``, the first of a list; without one 0, which is one per core."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdecimal() else 0
