"""The lists that the Slurm scripts and the Snakefile read."""

import subprocess
import sys
from pathlib import Path

import pytest

PAIRS = Path(__file__).resolve().parents[1] / "examples" / "pairs.py"
HEADER = "video\taudio\toutput\n"


def read(path: Path, content: str | bytes, task: str = "1/1", *columns: str) -> subprocess.CompletedProcess:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    command = [sys.executable, PAIRS, path, task, *(columns or ("video", "audio", "output"))]
    return subprocess.run(command, capture_output=True)


@pytest.mark.parametrize(
    ("content", "task", "columns", "expected"),
    [
        ("output\tvideo\taudio\n1.mp4\ta.mp4\tx.wav\n", "1/1", (), ["D/a.mp4\tD/x.wav\tD/1.mp4"]),
        ("\ufeffvideo\taudio\toutput\t\r\n/a\tx y\t1.mp4\t\r\n\t\t\r\n", "1/1", (), ["/a\tD/x y\tD/1.mp4"]),
        (HEADER + "a\tx\t1\nb\tx\t2\nb\ty\t3\n", "1/1", ("video",), ["D/a", "D/b"]),
        (HEADER + "a\tx\t1\nb\tx\t2\nb\ty\t3\n", "2/2", ("video", "audio"), ["D/b\tD/x"]),
        (HEADER + "a\tx\t1\n", "2/2", (), []),
        (b"video\taudio\toutput\n\xff.mp4\tx\t1\n", "1/1", ("video",), [b"D/\xff.mp4"]),
    ],
)  # fmt: skip
def test_the_rows_of_a_task(tmp_path, content, task, columns, expected):
    done = read(tmp_path / "list=3.tsv", content, task, *columns)
    assert done.returncode == 0, done.stderr
    rows = [row if isinstance(row, bytes) else row.encode() for row in expected]
    assert done.stdout.splitlines() == [row.replace(b"D/", bytes(tmp_path) + b"/") for row in rows]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (HEADER + "a\t\t1\n", "line 2 must have 3 cells"),
        (HEADER + "a\tx\t1\nb\tx\n", "line 3 must have 3 cells"),
        ("video\toutput\na\tb\n", "its first line must be video, audio, output, separated by tabs"),
        ("video\taudio\toutput\texpression\na\tb\tc\t1\n", "its first line must be video, audio, output"),
        (HEADER + "a.mp4\tx.wav\t1\nb/a.mov\tx.wav\t2\n", "have the same name; rename one"),
        (HEADER + "a.mp4\tx.wav\t1\nb.mp4\tx.flac\t2\n", "have the same name; rename one"),
        (HEADER + "a\tx\t1\nb\tx\t1\n", "1' is the output of two rows"),
        (HEADER + "a\tx\tb\nb\tx\t1\n", "b' is both input and output"),
    ],
)
def test_lists_that_would_go_wrong_are_refused_in_one_line(tmp_path, content, fault):
    refused = read(tmp_path / "list.tsv", content)
    assert refused.returncode == 1 and refused.stdout == b""
    (line,) = refused.stderr.decode().splitlines()
    assert line.startswith("pairs.py: ") and fault in line
