"""An interrupted job is continued only by one that would paint the same pixels."""

import json
import os

import numpy as np
import pytest
import torch

from dd_tools.errors import DataError
from dd_tools.formats import history
from dd_tools.pipeline import job_key as keys
from dd_tools.pipeline.job_key import job_key

CPU = "cpu"


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"the first content")
    return path


@pytest.fixture
def fresh():
    """What is remembered of the program is forgotten before and after the test."""
    caches = keys._digest_of_program, keys._versions
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def test_the_same_job_has_the_same_key_wherever_its_files_are(video, tmp_path):
    key = job_key([video, None], ("settings", 1), CPU)
    assert json.loads(json.dumps(key)) == key
    (tmp_path / "elsewhere").mkdir()
    moved = video.rename(tmp_path / "elsewhere" / "b.mp4")
    os.utime(moved, (1, 1))
    assert job_key([moved, None], ("settings", 1), CPU) == key


def test_other_content_of_the_same_size_and_time_is_another_job(video):
    key, times = job_key([video], (), CPU), video.stat()
    video.write_bytes(b"the other content")
    os.utime(video, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert video.stat().st_size == times.st_size
    history._remembered.cache_clear()  # as in the process that resumes
    assert job_key([video], (), CPU) != key


def test_another_order_of_files_and_other_settings_are_another_job(video, tmp_path):
    (tmp_path / "b").write_bytes(b"b")
    both = [video, tmp_path / "b"]
    found = [job_key(files, options, CPU) for files in (both, both[::-1], [*both, None]) for options in (1, 2)]
    assert all(one != other for index, one in enumerate(found) for other in found[:index])


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("dd_tools.__version__", "0.1.1"),
        ("dd_tools.pipeline.job_key.sha256_of", lambda path: "changed" if path.name == "painting.py" else "0"),
        ("dd_tools.pipeline.job_key.version", lambda name: f"{name} 9.9"),
        ("numpy.__version__", "9.9"),
        ("cv2.__version__", "9.9"),
        ("dd_tools.pipeline.job_key.ffmpeg_path", lambda: "/bin/echo"),
    ],
)
def test_another_version_of_anything_is_another_job(fresh, monkeypatch, place, value):
    key = job_key([], (), CPU)
    for cached in (keys._digest_of_program, keys._versions):
        cached.cache_clear()
    monkeypatch.setattr(place, value)
    assert job_key([], (), CPU) != key


def test_another_kind_of_device_is_another_job(monkeypatch):
    monkeypatch.setattr("dd_tools.nn.device.open_device", lambda name: torch.device("mps"))
    assert job_key([], (), CPU) != job_key([], (), "mps")


def test_where_there_is_no_driver_of_a_gpu_auto_is_the_cpu(monkeypatch):
    monkeypatch.setattr(keys, "_may_have_gpu", lambda: False)
    assert job_key([], (), "auto") == job_key([], (), CPU)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(DataError, match=r"cannot read '.*gone.mp4': no such file"):
        job_key([tmp_path / "gone.mp4"], (), CPU)


def test_arrays_of_other_values_or_shapes_are_other_options():
    from dd_tools.pipeline.render import _hashable

    one = np.arange(6.0)
    found = [_hashable({"x_t": array}) for array in (one, one.reshape(2, 3), one + 1)]
    assert found[0] == _hashable({"x_t": one.copy()}) and found[0] != found[1] != found[2] != found[0]
