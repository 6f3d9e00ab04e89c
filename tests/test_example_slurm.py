"""The scripts for Slurm, with stand-ins for Slurm's programs and for our commands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_slurm import SCRIPTS, install
from fake_slurm import run as run_with_stand_ins

# Notes how it was called; its output, if that is no folder, appears.
COMMAND = """#!/bin/sh
echo "${0##*/} $*" >> calls
echo "$OMP_NUM_THREADS" >> threads
case $* in
    *bad*) exit 1 ;; *stopped*) exit 75 ;; *foreign*) exit 138 ;; *killed*) exit 137 ;; *ended*) exit 143 ;;
esac
while [ $# -gt 1 ] && [ "$1" != -o ]; do shift; done
[ $# -le 1 ] || [ -d "$2" ] || echo made > "$2"
"""
OTHERS = {
    "dd-info": "#!/bin/sh\necho 'frames: 1000'\n",
    "python3": f"""#!/bin/sh
case $1 in
    *join.py) shift; echo "join $*" >> calls ;;
    *) exec "{sys.executable}" "$@" ;;
esac
""",
}
COMMANDS = ("dd-prep", "dd-audio", "dd-encode", "dd-generate", "dd-render", "dd-eval", "dd-dub")
HEADER = "video\taudio\toutput"
EXAMPLES = {"DD_EXAMPLES": str(SCRIPTS.parent)}


@pytest.fixture
def cluster(tmp_path) -> Path:
    """A working folder, whose folder `bin` has the stand-ins."""
    install(tmp_path, **OTHERS, **dict.fromkeys(COMMANDS, COMMAND))
    return tmp_path


def run(folder: Path, script: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess:
    return run_with_stand_ins(folder, "sh", SCRIPTS / script, *arguments, **variables)


def write_list(folder: Path, rows: list[str], header: str = HEADER) -> None:
    (folder / "list.tsv").write_text("\n".join([header, *rows]) + "\n")


def submit(folder: Path, rows: list[str], tasks: int, *options: str, **variables: str) -> subprocess.CompletedProcess:
    write_list(folder, rows)
    return run(folder, "submit.sh", "list.tsv", "work", tasks, *options, **variables)


def sbatch(folder: Path, script: str, array: str, **variables: str) -> subprocess.CompletedProcess:
    """Submit one array for the list."""
    order = ("sbatch", f"--array={array}", SCRIPTS / script, "list.tsv", "work")
    return run_with_stand_ins(folder, *order, **EXAMPLES | variables)


def lines(folder: Path, name: str) -> list[str]:
    return (folder / name).read_text().splitlines() if (folder / name).exists() else []


def calls(folder: Path, command: str = "") -> list[str]:
    """The calls, or those of a command, without the working folder."""
    return [line.replace(f"{folder}/", "") for line in lines(folder, "calls") if line.startswith(command)]


def test_each_stage_waits_for_those_that_it_needs(cluster):
    done = submit(cluster, ["a.mp4\tx.wav\tax.mp4"], 1, "--partition=main", RENDER_JOB="--gres=gpu:1")
    assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr
    assert lines(cluster, "submitted") == ["prep.sh", "audio.sh", "encode.sh", "generate.sh", "render.sh"]
    assert lines(cluster, "options") == [
        "--partition=main", "--partition=main", "--dependency=afterany:1", "--partition=main",
        "--dependency=afterany:3:2", "--partition=main", "--dependency=afterany:4", "--partition=main", "--gres=gpu:1",
    ]  # fmt: skip
    assert calls(cluster) == [
        "dd-prep a.mp4 -o work/clips --resume",
        "dd-audio x.wav -o work/speech --resume",
        "dd-encode work/clips/a.h5 -o work/latents --resume",
        "dd-generate work/speech/x.npy --reference work/latents/a.npy -o work/motion/a/x.npy",
        "dd-render work/clips/a.h5 --latents work/motion/a/x.npy --source a.mp4 --audio x.wav -o ax.mp4 --resume",
    ]
    assert set(lines(cluster, "threads")) == {"1"}, "as many as CPUs are requested"


@pytest.mark.parametrize("tasks", [1, 2, 3, 5])
def test_the_tasks_of_an_array_share_the_list(cluster, tasks):
    rows = [f"{video}.mp4\t{audio}.wav\t{video}{audio}.mp4" for video in "abc" for audio in ("x", "my voice")]
    assert submit(cluster, rows, tasks).returncode == 0
    prepared = [name for line in calls(cluster, "dd-prep") for name in line.partition(" -o ")[0].split()[1:]]
    assert sorted(prepared) == ["a.mp4", "b.mp4", "c.mp4"]
    outputs = sorted(line.partition(" -o ")[2] for line in calls(cluster, "dd-render"))
    assert outputs == [f"{video}{audio}.mp4 --resume" for video in "abc" for audio in ("my voice", "x")]
    assert len(calls(cluster, "dd-audio")) == min(tasks, 2)


def test_names_that_look_alike_when_joined_are_different_files(cluster):
    submit(cluster, ["a-b.mp4\tc.wav\t1.mp4", "a.mp4\tb-c.wav\t2.mp4"], 1)
    assert [line.split()[5] for line in calls(cluster, "dd-generate")] == [
        "work/motion/a-b/c.npy",
        "work/motion/a/b-c.npy",
    ]


def test_what_is_made_is_not_made_again_unless_a_source_is_newer(cluster):
    rows = ["a.mp4\tx.wav\tax.mp4", "a.mp4\ty.wav\tay.mp4"]
    for name in ("a.mp4", "x.wav", "y.wav"):
        (cluster / name).touch()
    submit(cluster, rows, 1)
    (cluster / "calls").unlink()
    later = max(path.stat().st_mtime for path in cluster.rglob("*")) + 1
    os.utime(cluster / "y.wav", (later, later))
    submit(cluster, rows, 1)
    (made,) = calls(cluster, "dd-render")
    assert made.endswith("-o ay.mp4 --resume") and not calls(cluster, "dd-generate")


@pytest.mark.parametrize(
    ("name", "restarts", "requeued", "rendered"),
    [
        ("bad", 0, [], 3),  # the others are made
        ("stopped", 9, ["requeue 5.1"], 2),  # the rest of the task waits
        ("foreign", 9, ["requeue 5.1"], 2),  # a program that does not know the signal
        ("ended", 9, ["requeue 5.1"], 2),
        ("killed", 0, ["requeue 5.1"], 2),
        ("killed", 3, [], 3),  # it would be killed for ever
    ],
)
def test_a_task_is_queued_again_after_a_signal_and_not_after_a_failure(cluster, name, restarts, requeued, rendered):
    rows = ["a.mp4\tx.wav\tax.mp4", f"b.mp4\tx.wav\t{name}.mp4", "c.mp4\tx.wav\tcx.mp4"]
    submit(cluster, rows, 1, SLURM_RESTART_COUNT=str(restarts))
    assert lines(cluster, "requeued") == requeued
    assert len(calls(cluster, "dd-render")) == rendered
    assert lines(cluster, "failed") == ["5.1"]


def test_a_task_that_was_cancelled_is_not_queued_again(cluster):
    (cluster / "cancelled").touch()
    submit(cluster, ["a.mp4\tx.wav\tended.mp4"], 1)
    assert not lines(cluster, "requeued") and lines(cluster, "failed") == ["5.1"]


def test_a_part_of_an_array_does_its_own_share(cluster):
    write_list(cluster, [f"{name}.mp4\tx.wav\t{name}x.mp4" for name in "abcdef"])
    refused = sbatch(cluster, "prep.sh", "2,4")
    assert "set TASKS" in refused.stderr and lines(cluster, "failed") == ["1.2", "1.4"] and not calls(cluster)
    sbatch(cluster, "prep.sh", "2,4", TASKS="4")
    assert calls(cluster) == ["dd-prep b.mp4 f.mp4 -o work/clips --resume", "dd-prep d.mp4 -o work/clips --resume"]


@pytest.mark.parametrize("script", ["prep.sh", "audio.sh", "encode.sh", "generate.sh", "render.sh", "eval.sh"])
def test_a_task_fails_without_its_list(cluster, script):
    failed = sbatch(cluster, script, "1")
    assert lines(cluster, "failed") == ["1.1"]
    assert "pairs.py: cannot read" in failed.stderr and not calls(cluster)


def test_scores_are_those_of_the_pairs(cluster):
    (cluster / "sub").mkdir()
    (cluster / "sub" / "pairs.tsv").write_text("generated\ttruth\r\nax.mp4\ta.mp4\r\n/b/x.mp4\tb.mp4\r\n")
    submit(cluster, ["a.mp4\tx.wav\tax.mp4"], 3, TRUTH="sub/pairs.tsv", EVAL="--fail-if psnr<24")
    assert calls(cluster, "dd-eval") == [
        f"dd-eval work/scores/{n}.tsv --csv work/scores/{n}.csv --json work/scores/{n}.json --fail-if psnr<24"
        for n in (1, 2)
    ]
    folder = cluster / "work" / "scores"
    assert (folder / "1.tsv").read_text() == f"{cluster}/sub/ax.mp4\t{cluster}/sub/a.mp4\n"
    assert (folder / "2.tsv").read_text() == f"/b/x.mp4\t{cluster}/sub/b.mp4\n"


@pytest.mark.parametrize("pairs", ["ax.mp4\ta.mp4\n", ""])
def test_pairs_to_score_are_checked_before_anything_is_submitted(cluster, pairs):
    (cluster / "pairs.tsv").write_text(pairs)
    refused = submit(cluster, ["a.mp4\tx.wav\tax.mp4"], 1, TRUTH="pairs.tsv")
    assert refused.returncode == 1 and "its first line must be generated, truth" in refused.stderr
    assert not lines(cluster, "submitted")


def test_a_long_video_is_split_at_multiples_of_240_frames_and_joined(cluster):
    done = run(cluster, "split.sh", "c.h5", "m.npy", "v.mp4", "a.wav", "o.mp4", 3)
    assert done.returncode == 0, done.stderr
    spans = {"0:480": "00000000", "480:960": "00000480", "960:": "00000960"}
    assert calls(cluster) == [
        *(
            f"dd-render c.h5 --latents m.npy --source v.mp4 --frames {span} -o o.mp4.split/480/{name}.mp4 --resume"
            for span, name in spans.items()
        ),
        "join c.h5 m.npy --source v.mp4 --audio a.wav -o o.mp4 "
        + " ".join(f"o.mp4.split/480/{name}.mp4" for name in spans.values()),
    ]
    assert lines(cluster, "options") == ["--dependency=afterok:1", "--kill-on-invalid-dep=yes"]


@pytest.mark.parametrize("array", ["0-2", "1-3"])
def test_tasks_of_dd_dub_are_all_shards(cluster, array):
    write_list(cluster, [])
    sbatch(cluster, "dub.sh", array)
    shards = sorted(line.split()[4] for line in calls(cluster))
    assert shards == ["1/3", "2/3", "3/3"]


@pytest.mark.parametrize("script", ["submit.sh", "split.sh"])
def test_scripts_show_their_usage(cluster, script):
    done = run(cluster, script, "list.tsv")
    assert done.returncode == 2 and done.stderr.startswith(f"usage: {script} ")
