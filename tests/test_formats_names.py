"""Names of paths: short, and different where the paths are."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd_tools.formats.names import distinct_names


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/a/1.h5"], ["1.h5"]),
        (["/a/1.h5", "/b/1.h5", "/b/2.h5"], ["a/1.h5", "b/1.h5", "2.h5"]),
        (["/x/a/1.h5", "/y/a/1.h5", "/y/b/1.h5"], ["x/a/1.h5", "y/a/1.h5", "b/1.h5"]),
        (["/a", "/x/a"], ["/a", "x/a"]),
        (["/a/../b/1.h5", "/b/1.h5"], ["1.h5", "1.h5"]),
        (["/"], ["/"]),
    ],
)
def test_names_are_as_long_as_they_must_be(paths, names):
    paths = [Path(path) for path in paths]
    assert distinct_names(paths) == dict(zip(paths, names, strict=True))


def test_a_relative_path_is_told_from_others_by_the_folder_it_is_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inside, outside = Path("1.h5"), tmp_path.parent / "1.h5"
    assert distinct_names([inside, outside]) == {
        inside: f"{tmp_path.name}/1.h5",
        outside: f"{tmp_path.parent.name}/1.h5",
    }


FOLDERS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(lambda parts: Path("/", *parts))


@given(st.lists(FOLDERS, unique=True, max_size=8))
def test_different_paths_have_different_names(paths):
    names = distinct_names(paths)
    assert len(set(names.values())) == len(paths)
    assert all(path.as_posix().endswith(name) for path, name in names.items())
