"""The scripts for Slurm, with stand-ins for Slurm's programs that run every job at once, in the order of submission."""

import os
import subprocess
from pathlib import Path

import pytest
from fake_slurm import SCRIPTS, install
from fake_slurm import run as run_script

COMMAND = """#!/bin/sh
echo "${0##*/} $*" >> calls
case $* in *bad*) exit 1 ;; *stopped*) exit 75 ;; *foreign*) exit 138 ;; *killed*) exit 137 ;; esac
while [ $# -gt 1 ] && [ "$1" != -o ]; do shift; done
[ $# -le 1 ] || [ -d "$2" ] || echo made > "$2"
"""
OTHERS = {
    "dd-info": "#!/bin/sh\necho 'frames: 1000'\n",
    "python3": '#!/bin/sh\nshift\necho "join $*" >> calls\n',
}
COMMANDS = ("dd-prep", "dd-audio", "dd-encode", "dd-generate", "dd-render", "dd-eval", "dd-dub")
HEADER = "video\taudio\toutput"


@pytest.fixture
def cluster(tmp_path) -> Path:
    """A working folder, whose folder `bin` has stand-ins for Slurm and for our commands."""
    install(tmp_path, **OTHERS, **dict.fromkeys(COMMANDS, COMMAND))
    return tmp_path


def run(folder: Path, script: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess:
    return run_script(folder, SCRIPTS / script, *arguments, **variables)


def submit(folder: Path, rows: list[str], tasks: int, *options: str, **variables: str) -> subprocess.CompletedProcess:
    (folder / "list.tsv").write_text("\n".join([HEADER, *rows]) + "\n")
    return run(folder, "submit.sh", "list.tsv", "work", tasks, *options, **variables)


def lines(folder: Path, name: str) -> list[str]:
    return (folder / name).read_text().splitlines() if (folder / name).exists() else []


def calls(folder: Path) -> list[str]:
    """The calls, without the working folder."""
    return [line.replace(f"{folder}/", "") for line in lines(folder, "calls")]


def test_each_stage_waits_for_those_that_it_needs(cluster):
    done = submit(cluster, ["a.mp4\tx.wav\tax.mp4"], 1, "--partition=gpu")
    assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr
    assert lines(cluster, "submitted") == ["prep.sh", "audio.sh", "encode.sh", "generate.sh", "render.sh"]
    waiting = [option.partition("=")[2] for option in lines(cluster, "options") if "dependency" in option]
    assert waiting == ["afterany:1", "afterany:3:2", "afterany:4"]
    assert lines(cluster, "options").count("--partition=gpu") == 5
    assert calls(cluster) == [
        "dd-prep a.mp4 -o work/clips --resume",
        "dd-audio x.wav -o work/speech --resume",
        "dd-encode work/clips/a.h5 -o work/latents --resume",
        "dd-generate work/speech/x.npy --reference work/latents/a.npy -o work/motion/a-x.npy",
        "dd-render work/clips/a.h5 --latents work/motion/a-x.npy --source a.mp4 --audio x.wav -o ax.mp4 --resume",
    ]


@pytest.mark.parametrize("tasks", [1, 2, 3, 5])
def test_the_tasks_of_an_array_share_the_list(cluster, tasks):
    rows = [f"{video}.mp4\t{audio}.wav\t{video}{audio}.mp4" for video in "abc" for audio in ("x", "my voice")]
    assert submit(cluster, rows, tasks).returncode == 0
    words = [line.split(" -o ") for line in calls(cluster)]
    prepared = [name for line, *_ in words if line.startswith("dd-prep") for name in line.split()[1:]]
    assert sorted(prepared) == ["a.mp4", "b.mp4", "c.mp4"]
    outputs = sorted(line[1] for line in words if line[0].startswith("dd-render"))
    assert outputs == [f"{video}{audio}.mp4 --resume" for video in "abc" for audio in ("my voice", "x")]
    assert sum(line[0].startswith("dd-audio") for line in words) == min(tasks, 2)


def test_what_is_made_is_not_made_again_unless_a_source_is_newer(cluster):
    rows = ["a.mp4\tx.wav\tax.mp4", "a.mp4\ty.wav\tay.mp4"]
    for name in ("a.mp4", "x.wav", "y.wav"):
        (cluster / name).touch()
    submit(cluster, rows, 1)
    (cluster / "calls").unlink()
    later = max(path.stat().st_mtime for path in cluster.rglob("*")) + 1
    os.utime(cluster / "y.wav", (later, later))
    submit(cluster, rows, 1)
    made = [line for line in calls(cluster) if line.startswith(("dd-generate", "dd-render"))]
    assert len(made) == 1 and made[0].endswith("-o ay.mp4 --resume")


@pytest.mark.parametrize(
    ("name", "restarts", "requeued", "rendered"),
    [
        ("bad", 0, [], 3),  # the others are made
        ("stopped", 9, ["requeue 5.1"], 2),  # the rest of the task waits
        ("foreign", 9, ["requeue 5.1"], 2),  # a program that does not know the signal
        ("killed", 0, ["requeue 5.1"], 2),
        ("killed", 3, [], 3),  # it would be killed for ever
    ],
)
def test_a_task_is_queued_again_after_a_signal_and_not_after_a_failure(cluster, name, restarts, requeued, rendered):
    rows = ["a.mp4\tx.wav\tax.mp4", f"b.mp4\tx.wav\t{name}.mp4", "c.mp4\tx.wav\tcx.mp4"]
    submit(cluster, rows, 1, SLURM_RESTART_COUNT=str(restarts))
    assert lines(cluster, "requeued") == requeued
    assert sum(line.startswith("dd-render") for line in calls(cluster)) == rendered
    assert lines(cluster, "failed") == ["5.1"]


def test_scores_are_those_of_the_pairs(cluster):
    (cluster / "sub").mkdir()
    (cluster / "sub" / "pairs.tsv").write_text("generated\ttruth\r\nax.mp4\ta.mp4\r\n/b/x.mp4\tb.mp4\r\n")
    submit(cluster, ["a.mp4\tx.wav\tax.mp4"], 2, TRUTH="sub/pairs.tsv", EVAL="--fail-if psnr<24")
    assert calls(cluster)[-2:] == [
        f"dd-eval work/scores/{n}.tsv --csv work/scores/{n}.csv --json work/scores/{n}.json --fail-if psnr<24"
        for n in (1, 2)
    ]
    folder = cluster / "work" / "scores"
    assert (folder / "1.tsv").read_text() == f"{cluster}/sub/ax.mp4\t{cluster}/sub/a.mp4\n"
    assert (folder / "2.tsv").read_text() == f"/b/x.mp4\t{cluster}/sub/b.mp4\n"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["a.mp4\tx.wav\t1.mp4", "b/a.mov\tx.wav\t2.mp4"], "two files in column video of 'list.tsv' are called 'a'"),
        (["a.mp4\tx.wav\t1.mp4", "b.mp4\tx.flac\t2.mp4"], "two files in column audio of 'list.tsv' are called 'x'"),
    ],
)
def test_names_that_would_be_mixed_up_are_refused(cluster, rows, said):
    refused = submit(cluster, rows, 1)
    assert refused.returncode == 1 and said in refused.stderr
    assert not lines(cluster, "submitted")


def test_a_list_without_the_columns_is_refused(cluster):
    (cluster / "list.tsv").write_text("video\toutput\na.mp4\tb.mp4\n")
    refused = run(cluster, "submit.sh", "list.tsv", "work", 1)
    assert refused.returncode == 1
    assert refused.stderr == "no column audio in the first line of 'list.tsv'\n"


def test_columns_that_the_stages_do_not_know_are_refused(cluster):
    (cluster / "list.tsv").write_text(f"{HEADER}\texpression\r\na.mp4\tx.wav\tb.mp4\t1.5\r\n")
    refused = run(cluster, "submit.sh", "list.tsv", "work", 1)
    assert refused.returncode == 1 and not lines(cluster, "submitted")
    assert refused.stderr == "submit.sh: options of one video, such as column expression of 'list.tsv', need dub.sh\n"


def test_a_long_video_is_split_at_multiples_of_240_frames_and_joined(cluster):
    done = run(cluster, "split.sh", "c.h5", "m.npy", "v.mp4", "a.wav", "o.mp4", 3)
    assert done.returncode == 0, done.stderr
    spans = {"0:480": "00000000", "480:960": "00000480", "960:": "00000960"}
    assert calls(cluster) == [
        *(
            f"dd-render c.h5 --latents m.npy --source v.mp4 --frames {span} -o o.mp4.split/{name}.mp4 --resume"
            for span, name in spans.items()
        ),
        "join c.h5 m.npy --source v.mp4 --audio a.wav -o o.mp4 "
        + " ".join(f"o.mp4.split/{n}.mp4" for n in spans.values()),
    ]
    assert lines(cluster, "options") == ["--dependency=afterok:1"]


@pytest.mark.parametrize("first", [0, 1])
def test_tasks_of_dd_dub_are_all_shards(cluster, first):
    (cluster / "list.tsv").write_text(f"{HEADER}\n")
    for task in range(first, first + 3):
        number = {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_JOB_ID": "1"}
        run(cluster, "dub.sh", "list.tsv", "work", DD_SLURM=str(SCRIPTS), **number)
    shards = sorted(line.partition("--shard ")[2].split()[0] for line in calls(cluster))
    assert shards == ["1/3", "2/3", "3/3"]


@pytest.mark.parametrize("script", ["submit.sh", "split.sh"])
def test_scripts_show_their_usage(cluster, script):
    done = run(cluster, script, "list.tsv")
    assert done.returncode == 2 and done.stderr.startswith(f"usage: {script} ")
