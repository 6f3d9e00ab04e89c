"""Open the networks that ship as ONNX files."""

import os

from dd_tools.errors import DataError, first_line
from dd_tools.weights import shipped_file

# onnxruntime (1.32 on Linux) collects telemetry and sends it to its makers, unless this is set before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime


def open_network(name: str) -> onnxruntime.InferenceSession:
    """The shipped network ``NAME.onnx``, on one thread. Raises `DataError` if it is missing or damaged.

    The networks are so small that more threads gain nothing.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    path = shipped_file(f"{name}.onnx")
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common class
        raise DataError(f"cannot open '{path}': {first_line(error)}") from None
