"""Open networks in ONNX files: those that ship, and those of others after `dd_tools.formats.onnx_file`'s checks."""

import os
from pathlib import Path

from dd_tools.errors import DataError, first_line
from dd_tools.weights import shipped_file

# onnxruntime (1.32 on Linux) collects telemetry and sends it to its makers, unless this is set before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime


def open_network(name: str) -> onnxruntime.InferenceSession:
    """The shipped network ``NAME.onnx``, on one thread. Raises `DataError` if it is missing or damaged.

    The networks are so small that more threads gain nothing.
    """
    path = shipped_file(f"{name}.onnx")
    return open_session(path, path, threads=1)


def open_session(model: Path | bytes, path: str | Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """The network in an ONNX file, or in the bytes of one, on the CPU.

    path: names the file in messages. threads: 0 for as many as there are cores. Raises `DataError` if it is no network
    that onnxruntime can compute.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")  # and nothing that looks like another format
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common class
        raise DataError(f"cannot open '{path}': {first_line(error)}") from None
