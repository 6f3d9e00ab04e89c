"""examples/table1.sh dubs the true videos, calls dd-eval on these and the methods that are there, and prints its means
beside the published numbers, and the two orders."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "table1.sh"

# Stands in for dd-dub: notes how it was called, and with what list.
DUB = """#!/bin/sh
echo "$*" >> calls
cat "$2" >> lists
"""

# Stands in for dd-eval: notes how it was called and writes the means it would have found.
EVAL = """#!/bin/sh
echo "$*" >> calls
while [ "$1" != --csv ]; do shift; done
cat > "$2" <<'MEANS'
system,clip,generated,truth,frames,missed_truth,missed_generated,identical_frames,psnr,ssim,lpips,lmd,lse_d,lse_c,signature
{rows}
MEANS
exit 1
"""
ONE_METHOD = """diffdub,a,x/a.mp4,gt/a.mp4,9,0,0,0,1,1,1,1,1,1,"v:1|x,y"
diffdub,(mean),,,,,,,27.891,0.9074,0.0751,1.214,,,"v:1|x,y"
dd_tools,(mean),,,,,,,30.123,0.9,0.0501,1,,,"v:1|x,y"
(truth unchanged),(mean),,,,,,,inf,1.0,0.0,0.0,6.731,9.5,"v:1|x,y\""""

# No SSIM of iplap. The paper has LPIPS of pcavs = iplap.
ALL_METHODS = """wav2lip,(mean),,,,,,,25.4,0.8,0.148,1.9,,,s
pcavs,(mean),,,,,,,22.0,0.7,0.221,2.3,,,s
iplap,(mean),,,,,,,25.5,,0.134,1.4,,,s
daetalker,(mean),,,,,,,18.8,0.6,0.292,1.7,,,s
diffdub,(mean),,,,,,,28.5,0.9,0.084,1.6,,,s
dd_tools,(mean),,,,,,,99,1,0,0,,,s
(first frame repeated),(mean),,,,,,,98,1,0,0,,,s"""


def stand_in(stage: Path, command: str, script: str) -> None:
    (stage / "bin" / command).write_text(script)
    (stage / "bin" / command).chmod(0o755)


@pytest.fixture
def stage(tmp_path):
    for name in ("bin", "some data/diffdub", "some data/wav2lip", "some data/gt"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("a.mp4", "b.1.avi"):
        (tmp_path / "some data" / "gt" / name).touch()
    stand_in(tmp_path, "dd-dub", DUB)
    stand_in(tmp_path, "dd-eval", EVAL.format(rows=ONE_METHOD))
    return tmp_path


def run(stage: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PATH": f"{stage / 'bin'}:{os.environ['PATH']}"} | variables
    return subprocess.run(["sh", SCRIPT, *arguments], cwd=stage, env=environment, capture_output=True, text=True)


def test_our_means_stand_beside_the_published_ones(stage):
    ended = run(stage, "some data", "out", LPIPS_TRUNK="t r.npz")
    assert (ended.returncode, ended.stderr) == (1, "")  # the status is dd-eval's
    assert (
        ended.stdout
        == """
here | paper            PSNR            SSIM           LPIPS           LSE-D           LSE-C             LMD
Wav2Lip            - | 26.12       - |  0.83       - | 0.066       - |  7.48       - |  7.84       - |  1.10
PC-AVS             - | 22.15       - |  0.68       - | 0.058       - |  6.66       - |  8.69       - |  2.03
IP-LAP             - | 26.05       - |  0.84       - | 0.058       - |  8.78       - |  5.59       - |  0.79
DAE-Talker         - | 17.81       - |  0.47       - | 0.129       - |  8.90       - |  6.15       - |  2.78
truth            inf |     -    1.00 |  1.00   0.000 |     -    6.73 |  6.73    9.50 |  9.00    0.00 |  0.00
DiffDub        27.89 | 28.18    0.91 |  0.87   0.075 | 0.035       - |  8.16       - |  7.10    1.21 |  0.95
dd_tools       30.12 |     -    0.90 |     -   0.050 |     -       - |     -       - |     -    1.00 |     -
"""
    )
    dubbing, scoring = (stage / "calls").read_text().splitlines()
    assert dubbing == "--batch out/dd_tools.tsv --resume"
    data = stage / "some data"
    assert scoring.startswith(f"{data}/wav2lip {data}/diffdub out/dd_tools --truth {data}/gt --register --baseline ")
    assert scoring.endswith("--html out --lpips-trunk t r.npz")


def test_the_orders_of_the_methods_are_compared(stage):
    stand_in(stage, "dd-eval", EVAL.format(rows=ALL_METHODS))
    table, _, orders = run(stage, "some data").stdout.partition("\nBest first\n")
    assert "dd_tools       99.00 |     -" in table
    assert (
        orders
        == """\
PSNR   here   DiffDub, IP-LAP, Wav2Lip, PC-AVS, DAE-Talker
       paper  DiffDub, Wav2Lip, IP-LAP, PC-AVS, DAE-Talker
       same place: PC-AVS, DAE-Talker, DiffDub; pairs in the same order: 9 of 10
LPIPS  here   DiffDub, IP-LAP, Wav2Lip, PC-AVS, DAE-Talker
       paper  DiffDub, PC-AVS = IP-LAP, Wav2Lip, DAE-Talker
       same place: IP-LAP, DAE-Talker, DiffDub; pairs in the same order: 8 of 9
LMD    here   IP-LAP, DiffDub, DAE-Talker, Wav2Lip, PC-AVS
       paper  IP-LAP, DiffDub, Wav2Lip, PC-AVS, DAE-Talker
       same place: IP-LAP, DiffDub; pairs in the same order: 8 of 10
"""
    )


def test_the_true_videos_are_dubbed_with_their_own_audio(stage):
    weights = {"SMALL_RENDERER": "small r.safetensors", "SMALL_MOTION": "m.safetensors"}
    run(stage, "some data", "out", **weights)
    gt = stage / "some data" / "gt"
    lists = (stage / "lists").read_text().splitlines()
    assert lists == [
        "video\taudio\toutput",
        f"{gt}/a.mp4\t{gt}/a.mp4\tdd_tools/a.mp4",
        f"{gt}/b.1.avi\t{gt}/b.1.avi\tdd_tools/b.1.mp4",
        "video\taudio\toutput",
        f"{gt}/a.mp4\t{gt}/a.mp4\tdd_tools-small/a.mp4",
        f"{gt}/b.1.avi\t{gt}/b.1.avi\tdd_tools-small/b.1.mp4",
    ]
    _, dubbing, scoring = (stage / "calls").read_text().splitlines()
    assert dubbing == "--batch out/dd_tools-small.tsv --resume --renderer small r.safetensors --motion m.safetensors"
    assert " out/dd_tools out/dd_tools-small --truth " in scoring


def test_a_renderer_needs_its_motion_model(stage):
    ended = run(stage, "some data", SMALL_RENDERER="r.safetensors")
    assert ended.returncode != 0
    assert "SMALL_MOTION: names the motion model that belongs to SMALL_RENDERER" in ended.stderr


def test_an_old_result_is_not_mistaken_for_a_new_one(stage):
    stand_in(stage, "dd-eval", "#!/bin/sh\nexit 2\n")
    (stage / "table1-results").mkdir()
    (stage / "table1-results" / "scores.csv").write_text("old\n")
    ended = run(stage, "some data")
    assert (ended.returncode, ended.stdout) == (2, "")


def test_videos_that_cannot_be_dubbed_end_it(stage):
    stand_in(stage, "dd-dub", "#!/bin/sh\nexit 1\n")
    ended = run(stage, "some data")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert not (stage / "calls").exists()


@pytest.mark.parametrize("arguments", [(), ("a", "b", "c")])
def test_wrong_usage(stage, arguments):
    ended = run(stage, *arguments)
    assert (ended.returncode, ended.stderr) == (2, "usage: table1.sh FOLDER [RESULTS]\n")
