"""How many threads networks in ONNX files use: as many as the user allows PyTorch."""

import pytest
from onnx_files import write_colours

from dd_tools.formats.onnx_network import open_network, open_session


@pytest.mark.parametrize(("value", "threads"), [("1", 1), ("3", 3), ("2,4", 2), ("", 0), ("many", 0), (None, 0)])
def test_threads_are_as_many_as_the_environment_says(tmp_path, monkeypatch, value, threads):
    """0 is one per core."""
    if value is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", value)
    path = write_colours(tmp_path / "net.onnx", ("n", 3, 4, 4))
    assert open_session(path, path).get_session_options().intra_op_num_threads == threads
    assert open_session(path, path, threads=1).get_session_options().intra_op_num_threads == 1


def test_face_networks_have_one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert open_network("face_detector").get_session_options().intra_op_num_threads == 1
