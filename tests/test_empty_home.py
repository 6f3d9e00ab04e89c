"""The commands write nothing to the home folder, and leave nothing in the folder of temporary files."""

import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest
from factories import dummy_portrait, dummy_trunk, dummy_voice
from released import dummy_authors_checkpoint, dummy_small_renderer
from study_plans import write_plan

# All of them, with the shipped models; libraries that keep caches are onnxruntime, torch and lpips.
LINES = """
dd-prep portrait.png -o clip.h5
dd-encode clip.h5 -o reference.npy
dd-audio voice.wav -o speech/clip.npy
dd-generate speech/clip.npy --reference reference.npy -o motion/clip.npy
dd-render clip.h5 --latents motion/clip.npy --audio voice.wav -o rendered.mp4
dd-dub portrait.png voice.wav -o dubbed.mp4
dd-eval dubbed.mp4 --truth rendered.mp4 --html pages --contact-sheet sheet.png --lpips alex --lpips-trunk trunk.pth
dd-train-ae clip.h5 -o renderer.safetensors --preset tiny-warp --steps 1 --workers 1
dd-train-seq motion --speech speech --speech-model whisper -o motion.safetensors --preset tiny-warp --steps 1
dd-import stage1.ckpt -o imported.safetensors
dd-info clip.h5 dubbed.mp4 imported.safetensors
dd-study build plan.tsv -o study --raters 1
dd-study score result.json --key study.key.json --html scores
dd-study power --difference 1 --raters 4 --clips 4 --studies 100
"""


@pytest.fixture
def short_folder():
    """For temporary files: the path of `tmp_path` can be too long for sockets."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.slow
def test_a_run_of_all_commands_leaves_an_empty_home_empty(tmp_path, short_folder):
    place, home, temporary = tmp_path / "place", tmp_path / "home", short_folder
    for folder in (home, place / "motion", place / "speech"):
        folder.mkdir(parents=True)
    dummy_portrait(place / "portrait.png")
    dummy_voice(place / "voice.wav", 0.4)
    dummy_trunk(place / "trunk.pth")
    dummy_authors_checkpoint(place / "stage1.ckpt", dummy_small_renderer())
    write_plan(place, [("ours", "x", "N", "dubbed.mp4"), ("truth", "x", "N", "rendered.mp4")])
    program = textwrap.dedent(f"""
        from pathlib import Path
        from commands import call, command_names
        from opinion_raters import save_steady_result
        lines = {LINES.strip().splitlines()!r}
        assert all(any(line.startswith(name + " ") for line in lines) for name in command_names())
        for line in lines:
            if line.startswith("dd-study score"):
                save_steady_result(Path("study.key.json"), "1", Path("result.json"))
            outcome = call(*line.split())
            assert outcome.status == 0, outcome.errors
    """)
    set_by_users = ("XDG_", "HF_", "TORCH", "ORT_", "MPL", "NUMBA", "TRANSFORMERS", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(set_by_users)}
    environment |= {"HOME": str(home), "USERPROFILE": str(home), "TMPDIR": str(temporary)}
    environment |= {"PYTHONPATH": os.pathsep.join(map(str, (Path(__file__).parent, Path(__file__).parents[1])))}
    subprocess.run([sys.executable, "-B", "-c", program], cwd=place, env=environment, check=True)
    assert list(home.rglob("*")) == []
    # PyTorch creates the folder of its compiler, without a file in it.
    assert [path for path in temporary.rglob("*") if not path.name.startswith("torchinductor_")] == []
