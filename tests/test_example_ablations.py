"""examples/ablations.sh trains each variant once, reconstructs held-out videos with all and scores them together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import options
from factories import dummy_speech
from test_examples import EXAMPLES, NOTE_ONLY, STAND_IN, calls, run

from dd_tools.diffdub.renderer_training import PRESETS as DIFFDUB
from dd_tools.warp.renderer_training import PRESETS as WARP

# As the commands do, these refuse a folder that is not there.
INTO_FOLDER = NOTE_ONLY + 'while [ "$1" != -o ]; do shift; done\ntest -d "$2" || exit 2\n'
COMMANDS = {
    "dd-prep": INTO_FOLDER + 'touch "$2/a.h5" "$2/b.h5"\n',
    "dd-audio": INTO_FOLDER,
    "dd-encode": INTO_FOLDER,
    "dd-train-ae": STAND_IN,
    "dd-train-seq": STAND_IN,
    "dd-generate": NOTE_ONLY,
    "dd-render": STAND_IN,
    "dd-eval": NOTE_ONLY,
}


# Stands in for dd-eval where it finds something: the means of its CSV.
EVAL = """#!/bin/sh
while [ "$1" != --csv ]; do shift; done
cat > "$2" <<'MEANS'
system,clip,psnr,ssim,lpips,lmd,lse_d,lse_c
full,(mean),27.3,0.837,0.055,1.48,9.1,3.456
no-eyes,(mean),27.2,0.835,0.056,1.49,9.2,3.3
no-augment,(mean),27.31,0.832,0.0549,1.5,9.3,3.2
mel,(mean),26.9,0.827,0.057,1.59,9.4,3.1
tenth,(mean),27.29,0.836,,1.54,9.15,3.4
layer-2,(mean),27,0.8,0.06,1.6,9.5,3
MEANS
exit 1
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with commands that only note how they were called; some also make their output."""
    (tmp_path / "bin").mkdir()
    for command, script in COMMANDS.items():
        (tmp_path / "bin" / command).write_text(script)
        (tmp_path / "bin" / command).chmod(0o755)
    return tmp_path


def ablate(folder: Path, *arguments: str, **variables: str):
    return run(folder, "sh", EXAMPLES / "ablations.sh", *(arguments or ("many", "few", "out")), **variables)


def test_every_variant_is_trained_once_and_all_are_scored_together(folder):
    done = ablate(folder, SPEAKERS="who.tsv", DELAYS="late.tsv", STEPS="7", MOTION_STEPS="3")
    assert done.returncode == 0, done.stderr
    lines = (folder / "calls").read_text().splitlines()
    counts = {"dd-prep": 2, "dd-audio": 4, "dd-train-ae": 3, "dd-encode": 6, "dd-train-seq": 10}
    counts |= {"dd-generate": 20, "dd-render": 20, "dd-eval": 1}
    assert calls(folder) == sorted(name for name, count in counts.items() for _ in range(count))

    stage1 = [line for line in lines if line.startswith("dd-train-ae")]
    assert [("--no-eyes" in line, "--no-augment" in line) for line in stage1] == [
        (False, False),
        (True, False),
        (False, True),
    ]
    assert all("--preset small" in line and "--steps 7" in line and "--speakers who.tsv" in line for line in stage1)
    stage2 = [line for line in lines if line.startswith("dd-train-seq")]
    assert all("--delays late.tsv" in line and "--resume" in line and "--steps 3" in line for line in stage2)
    assert [line.split()[1] for line in stage2] == [
        f"out/latents-{name}" for name in ("full", "no-eyes", "no-augment", *["full"] * 7)
    ]
    assert "--speech out/speech-mel --speech-model mel" in stage2[3]
    assert "--data-fraction 0.1" in stage2[4]
    for layer, line in enumerate(stage2[5:]):
        assert f"--speech out/speech-layer-{layer} --speech-model whisper" in line
    assert lines[-1].startswith(
        "dd-eval out/full out/no-eyes out/no-augment out/mel out/tenth "
        "out/layer-0 out/layer-1 out/layer-2 out/layer-3 out/layer-4 --truth few"
    )

    assert ablate(folder).returncode == 0
    assert not {"dd-train-ae", "dd-train-seq", "dd-render"} & set(calls(folder))


def test_every_option_exists_and_all_variants_are_of_one_preset(folder):
    (folder / "ready.safetensors").touch()
    names = {"SPEAKERS": "who.tsv", "DELAYS": "late.tsv", "LPIPS_TRUNK": "alex.pth", "SYNCNET": "sync.pth"}
    ablate(folder, **names, PRESET="warp", BATCH="4", DTYPE="bf16", WORKERS="2", RENDERER="ready.safetensors")
    lines = (folder / "calls").read_text().splitlines()
    assert calls(folder).count("dd-train-ae") == 2, "the renderer of the variant full is given"
    for line in lines:
        command, *arguments = line.split()
        given = {argument for argument in arguments if argument.startswith("--")}
        assert given <= set(options(command)) and "--init" not in given, line
        assert ("--preset warp" in line) == command.startswith("dd-train"), line


def test_a_video_is_reconstructed_from_latents_of_its_own_renderer(folder):
    ablate(folder)
    lines = (folder / "calls").read_text().splitlines()
    for variant, stage1, speech in (("no-eyes", "no-eyes", "whisper"), ("mel", "full", "mel")):
        assert (
            f"dd-generate out/held-speech-{speech}/b.npy --motion out/motion-{variant}.safetensors -o - "
            f"--reference out/held-latents-{stage1}/b.npy" in lines
        )
        assert (
            f"dd-render out/held/b.h5 --latents - --renderer out/renderer-{stage1}.safetensors --source few/b.mp4 "
            f"--audio few/b.mp4 -o out/{variant}/b.mp4" in lines
        )


@pytest.mark.parametrize(("variables", "size"), [({}, "96"), ({"SIZE": "192", "PRESET": "warp"}, "192")])
def test_clips_have_a_size_that_the_preset_takes(folder, variables, size):
    ablate(folder, **variables)
    prepared = [line for line in (folder / "calls").read_text().splitlines() if line.startswith("dd-prep")]
    assert len(prepared) == 2 and all(f" --size {size} " in line for line in prepared)
    framing = (DIFFDUB | WARP)[variables.get("PRESET", "small")].config.framing
    assert framing.accepts(replace(framing, size=int(size)))


def test_usage(folder):
    done = ablate(folder, "many")
    assert (done.returncode, done.stderr) == (2, "usage: ablations.sh TRAINING-VIDEOS HELD-OUT-VIDEOS RESULTS\n")


def test_single_layers_are_cut_out_of_the_features(folder):
    for name in ("out/speech-whisper", "out/held-speech-whisper"):
        (folder / name).mkdir(parents=True)
    features = dummy_speech(3, layers=5, width=4)
    np.save(folder / "out/speech-whisper/a.npy", features)
    assert ablate(folder).returncode == 0
    for layer in range(5):
        found = np.load(folder / f"out/speech-layer-{layer}/a.npy")
        assert found.dtype == np.float16 and np.array_equal(found, features[[layer]])


def test_the_scores_stand_in_the_layout_of_the_papers_table(folder):
    (folder / "bin" / "dd-eval").write_text(EVAL)
    done = ablate(folder)
    assert (done.returncode, done.stderr) == (1, "")  # the status is dd-eval's
    assert (
        done.stdout
        == """
here | paper            PSNR            SSIM           LPIPS           LSE-D           LSE-C             LMD
w/o eye        27.20 | 28.84    0.83 |  0.88   0.056 | 0.033    9.20 |  8.85    3.30 |  5.76    1.49 |  1.53
w/o aug.       27.31 | 28.45    0.83 |  0.88   0.055 | 0.034    9.30 |  9.60    3.20 |  4.75    1.50 |  0.94
w/o w.s.       26.90 | 27.48    0.83 |  0.86   0.057 | 0.040    9.40 |  8.40    3.10 |  6.50    1.59 |  1.90
w 1/10 data    27.29 | 28.12    0.84 |  0.87       - | 0.033    9.15 |  8.34    3.40 |  7.01    1.54 |  0.97
ours           27.30 | 28.18    0.84 |  0.87   0.055 | 0.035    9.10 |  8.16    3.46 |  7.10    1.48 |  0.95
layer 2        27.00 |     -    0.80 |     -   0.060 |     -    9.50 |     -    3.00 |     -    1.60 |     -

Best first
PSNR   here   w/o aug., ours, w 1/10 data, w/o eye, w/o w.s.
       paper  w/o eye, w/o aug., ours, w 1/10 data, w/o w.s.
       same place: w/o w.s.; pairs in the same order: 7 of 10
SSIM   here   ours, w 1/10 data, w/o eye, w/o aug., w/o w.s.
       paper  w/o eye = w/o aug., w 1/10 data = ours, w/o w.s.
       same place: w/o w.s.; pairs in the same order: 4 of 8
LSE-D  here   ours, w 1/10 data, w/o eye, w/o aug., w/o w.s.
       paper  ours, w 1/10 data, w/o w.s., w/o eye, w/o aug.
       same place: w 1/10 data, ours; pairs in the same order: 8 of 10
LSE-C  here   ours, w 1/10 data, w/o eye, w/o aug., w/o w.s.
       paper  ours, w 1/10 data, w/o w.s., w/o eye, w/o aug.
       same place: w 1/10 data, ours; pairs in the same order: 8 of 10
LMD    here   ours, w/o eye, w/o aug., w 1/10 data, w/o w.s.
       paper  w/o aug., ours, w 1/10 data, w/o eye, w/o w.s.
       same place: w/o w.s.; pairs in the same order: 7 of 10
"""
    )


def test_an_old_result_is_not_mistaken_for_a_new_one(folder):
    (folder / "out").mkdir()
    (folder / "out" / "scores.csv").write_text("old\n")
    (folder / "bin" / "dd-eval").write_text("#!/bin/sh\nexit 2\n")
    done = ablate(folder)
    assert (done.returncode, done.stdout) == (2, "")
