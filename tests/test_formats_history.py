"""History entries: what they record, and what they do not say about the machine."""

import hashlib

from dd_tools import __version__
from dd_tools.formats.history import history_entry


def test_an_entry_has_the_hash_of_every_input(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "talk.mp4").write_text(folder)
    (tmp_path / "points.npy").write_text("c")
    paths = [tmp_path / "a/talk.mp4", tmp_path / "b/talk.mp4", tmp_path / "points.npy"]
    hashes = [hashlib.sha256(content).hexdigest() for content in (b"a", b"b", b"c")]
    assert history_entry("dd-prep", ["-q"], paths) == {
        "command": "dd-prep",
        "version": __version__,
        "arguments": ["-q"],
        "inputs": dict(zip(("a/talk.mp4", "b/talk.mp4", "points.npy"), hashes, strict=True)),
    }


def test_arguments_are_as_typed_but_say_nothing_about_the_machine():
    typed = ["/home/ann/talk.mp4", "videos/a.mp4", "-o", "/tmp/a.h5", "--landmarks=/home/ann/p.npy", "--fps=25", "/"]
    shown = ["talk.mp4", "videos/a.mp4", "-o", "a.h5", "--landmarks=p.npy", "--fps=25", "/"]
    assert history_entry("dd-prep", typed)["arguments"] == shown
