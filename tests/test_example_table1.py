"""examples/table1.sh calls dd-eval on the methods that are there and prints its means beside the published numbers."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "table1.sh"

# Stands in for dd-eval: notes how it was called and writes the means it would have found.
STAND_IN = """#!/bin/sh
echo "$*" > calls
while [ "$1" != --csv ]; do shift; done
cat > "$2" <<'MEANS'
system,clip,generated,truth,frames,missed_truth,missed_generated,identical_frames,psnr,ssim,lpips,lmd,lse_d,lse_c,signature
diffdub,a,x/a.mp4,gt/a.mp4,9,0,0,0,1,1,1,1,1,1,"v:1|x,y"
diffdub,(mean),,,,,,,27.891,0.9074,0.0751,1.214,,,"v:1|x,y"
(truth unchanged),(mean),,,,,,,inf,1.0,0.0,0.0,6.731,9.5,"v:1|x,y"
MEANS
exit 1
"""


@pytest.fixture
def stage(tmp_path):
    for name in ("bin", "some data/diffdub", "some data/wav2lip", "some data/gt"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "bin" / "dd-eval").write_text(STAND_IN)
    (tmp_path / "bin" / "dd-eval").chmod(0o755)
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
"""
    )
    called = (stage / "calls").read_text()
    assert called.startswith("some data/wav2lip some data/diffdub --truth some data/gt --register --baseline ")
    assert called.endswith("--html out --lpips-trunk t r.npz\n")


def test_an_old_result_is_not_mistaken_for_a_new_one(stage):
    (stage / "bin" / "dd-eval").write_text("#!/bin/sh\nexit 2\n")
    (stage / "table1-results").mkdir()
    (stage / "table1-results" / "scores.csv").write_text("old\n")
    ended = run(stage, "some data")
    assert (ended.returncode, ended.stdout) == (2, "")


@pytest.mark.parametrize("arguments", [(), ("a", "b", "c")])
def test_wrong_usage(stage, arguments):
    ended = run(stage, *arguments)
    assert (ended.returncode, ended.stderr) == (2, "usage: table1.sh FOLDER [RESULTS]\n")
