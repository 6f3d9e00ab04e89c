"""The Snakefile, with stand-ins for the commands: what is made, and what is made again after a change.

Snakemake is not among the packages that the tests install; `SNAKEMAKE` may name its program.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SNAKEFILE = Path(__file__).resolve().parents[1] / "examples" / "snakemake" / "Snakefile"
SNAKEMAKE = shutil.which(os.environ.get("SNAKEMAKE", "snakemake"))
STAND_IN = """#!/bin/sh
echo "${0##*/}" >> calls
echo "$@" > "last-${0##*/}"
while [ $# -gt 1 ]; do
    case $1 in -o | --json | --csv) echo made > "$2" ;; esac
    shift
done
"""
ROWS = ["video\taudio\toutput", "a.mp4\tx.wav\tax.mp4", "a.mp4\tmy voice.wav\tout/a y.mkv", "b.mp4\tx.wav\tbx.mp4"]

pytestmark = pytest.mark.skipif(SNAKEMAKE is None, reason="needs snakemake")


@pytest.fixture
def stage(tmp_path) -> Path:
    """A working folder with the list ``sub/list.tsv`` beside its videos; the folder `bin` has the stand-ins."""
    for name in ("bin", "sub"):
        (tmp_path / name).mkdir()
    for command in ("dd-prep", "dd-audio", "dd-encode", "dd-generate", "dd-render", "dd-eval"):
        (tmp_path / "bin" / command).write_text(STAND_IN)
        (tmp_path / "bin" / command).chmod(0o755)
    for name in ("a.mp4", "b.mp4", "x.wav", "my voice.wav", "w.safetensors"):
        (tmp_path / "sub" / name).write_text(name)
    (tmp_path / "sub" / "list.tsv").write_text("\n".join(ROWS) + "\n")
    return tmp_path


def snakemake(folder: Path, *settings: str) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    command = [SNAKEMAKE, "-s", SNAKEFILE, "--cores", "2", "--keep-going", "--config", "list=sub/list.tsv", *settings]
    return subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True)


def calls(folder: Path) -> dict[str, int]:
    """The number of calls of each command since the last time."""
    log = folder / "calls"
    names = log.read_text().split() if log.exists() else []
    log.unlink(missing_ok=True)
    return {name: names.count(name) for name in names}


def test_only_what_depends_on_a_change_is_made_again(stage):
    settings = ("motion=sub/w.safetensors",)
    done = snakemake(stage, *settings)
    assert done.returncode == 0, done.stderr
    assert calls(stage) == {"dd-prep": 2, "dd-audio": 2, "dd-encode": 2, "dd-generate": 3, "dd-render": 3}
    assert all((stage / "sub" / name).exists() for name in ("ax.mp4", "out/a y.mkv", "bx.mp4"))
    for changed, made in {
        "b.mp4": {"dd-prep": 1, "dd-encode": 1, "dd-generate": 1, "dd-render": 1},
        "my voice.wav": {"dd-audio": 1, "dd-generate": 1, "dd-render": 1},
        "w.safetensors": {"dd-audio": 2, "dd-generate": 3, "dd-render": 3},
    }.items():
        (stage / "sub" / changed).write_text("changed")
        assert snakemake(stage, *settings).returncode == 0
        assert calls(stage) == made, changed


def test_scores_follow_the_videos(stage):
    (stage / "pairs.tsv").write_text("generated\ttruth\nsub/ax.mp4\tsub/a.mp4\n")
    done = snakemake(stage, "truth=pairs.tsv", "eval=--fail-if psnr<24")
    assert done.returncode == 0, done.stderr
    assert calls(stage)["dd-eval"] == 1
    assert (stage / "last-dd-eval").read_text().endswith("--fail-if psnr<24\n")
    assert snakemake(stage, "truth=pairs.tsv").returncode == 0
    assert calls(stage) == {"dd-eval": 1}, "other options"


def test_columns_that_the_stages_do_not_know_are_refused(stage):
    (stage / "sub" / "list.tsv").write_text(f"{ROWS[0]}\texpression\na.mp4\tx.wav\tax.mp4\t1.5\n")
    refused = snakemake(stage)
    assert refused.returncode == 1
    assert "cannot use 'sub/list.tsv': its first line must be video, audio, output" in refused.stderr


@pytest.mark.parametrize("column", [0, 1])
def test_names_that_would_be_mixed_up_are_refused(stage, column):
    row = ["b.mp4", "x.wav", "z.mp4"]
    row[column] = f"deeper/{row[column]}"
    with open(stage / "sub" / "list.tsv", "a") as stream:
        stream.write("\t".join(row) + "\n")
    refused = snakemake(stage)
    assert refused.returncode == 1
    assert f"'sub/{ROWS[3].split()[column]}' and 'sub/{row[column]}' have the same name" in refused.stderr
