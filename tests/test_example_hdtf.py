"""The recipe for HDTF: its lists, the clips that are cut, and all its steps on a miniature."""

import importlib.util
import subprocess
import sys

import pytest
from commands import call
from factories import dummy_video, dummy_voice
from fake_slurm import SCRIPTS, install, run
from torture.material import write_talk

from dd_tools.formats.checkpoint import MOTION, read_checkpoint
from dd_tools.media.video import probe, read_frames
from dd_tools.training.clips import read_names

RECIPE = SCRIPTS.parent / "hdtf"


@pytest.fixture
def lists(tmp_path):
    """Excerpts of the published lists, blanks at their ends included; Radio6 has no window."""
    texts = {
        "RD_video_url": "Radio2 https://www.youtube.com/watch?v=uBWJJvynXpA&t=6s\nRadio6 https://youtu.be/x\n",
        "RD_annotion_time": "Radio11.mp4 00:30-01:00 01:30-02:30 \nRadio6.mp4 00:25-02:00\n",
        "RD_crop_wh": "Radio11_0.mp4 412 599 0 599\nRadio11_1.mp4 557 478 3 478\n",
        "RD_resolution": "Radio11.mp4 720\nRadio6.mp4 720\n",
        "WRA_video_url": "DianeBlack1 https://www.youtube.com/watch?v=y\n",
        "WRA_annotion_time": "DianeBlack1.mp4 10:35-10:45 \n",
        "WRA_crop_wh": "DianeBlack1_0.mp4 10 20 0 20\n",
        "WRA_resolution": "DianeBlack1.mp4 1080\n",
    }
    folder = tmp_path / "HDTF_dataset"
    folder.mkdir()
    for name in [f"WDA_{kind}" for kind in ("video_url", "annotion_time", "crop_wh", "resolution")]:
        (folder / f"{name}.txt").write_text("")
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


@pytest.fixture(scope="module")
def hdtf():
    spec = importlib.util.spec_from_file_location("cut", RECIPE / "cut.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_hdtf_lists_are_read(hdtf, lists):
    assert list(hdtf.clips(lists)) == [
        ("RD_Radio11_000", "RD_Radio11", 30, 60, (412, 599, 0, 599, 720)),
        ("RD_Radio11_001", "RD_Radio11", 90, 150, (557, 478, 3, 478, 720)),
        ("RD_Radio6_000", "RD_Radio6", 25, 120, None),
        ("WRA_DianeBlack1_000", "WRA_DianeBlack1", 635, 645, (10, 20, 0, 20, 1080)),
    ]
    done = subprocess.run([sys.executable, hdtf.__file__, lists], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "RD_Radio2\thttps://www.youtube.com/watch?v=uBWJJvynXpA&t=6s",
        "RD_Radio6\thttps://youtu.be/x",
        "WRA_DianeBlack1\thttps://www.youtube.com/watch?v=y",
    ]


def test_hdtf_clips_are_cut_at_25_a_second_in_whatever_resolution_the_video_has(hdtf, lists, tmp_path):
    (lists / "RD_annotion_time.txt").write_text("Radio11.mp4 00:00-00:01 00:01-00:02\nRadio6.mp4 00:25-02:00\n")
    (lists / "RD_crop_wh.txt").write_text("Radio11_0.mp4 100 302 40 302\n")
    (tmp_path / "videos").mkdir()
    dummy_video(tmp_path / "videos" / "RD_Radio11.mp4", seconds=2.2, rate="30", size=(320, 180))
    command = [sys.executable, hdtf.__file__, lists, tmp_path / "videos", tmp_path / "cut"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "cut.py: videos of 2 clips are missing, 0 clips failed\n")
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == ["RD_Radio11_000.mp4", "RD_Radio11_001.mp4"]
    framed, whole = (probe(tmp_path / "cut" / f"RD_Radio11_00{index}.mp4") for index in (0, 1))
    assert (framed.width, framed.height, framed.frame_rate, framed.has_audio) == (74, 74, 25, True)
    assert (whole.width, whole.height) == (320, 180)
    assert len(list(read_frames(tmp_path / "cut" / "RD_Radio11_000.mp4"))) == 25


def test_the_test_ids_are_the_papers():
    ids = read_names(RECIPE / "test-ids.txt")
    assert len(ids) == 25 and {"RD_Radio34_006", "WDA_BernieSanders_000", "WRA_PeterRoskam0_000"} < ids


@pytest.fixture
def miniature(tmp_path):
    """Lists of three videos: links to two files, with two clips and one, and a link to a file that is gone."""
    folder = tmp_path / "HDTF_dataset"
    folder.mkdir()
    texts = {
        "RD_video_url": "Radio1 {0}/talk.mp4\nRadio2 {0}/gone.mp4\n",
        "RD_annotion_time": "Radio1.mp4 00:00-00:01 00:01-00:02\nRadio2.mp4 00:00-00:01\n",
        "RD_crop_wh": "Radio1_0.mp4 0 240 0 240\nRadio1_1.mp4 10 220 10 220\nRadio2_0.mp4 0 240 0 240\n",
        "RD_resolution": "Radio1.mp4 240\nRadio2.mp4 240\n",
        "WDA_video_url": "Ann1 {0}/talk.mp4\n",
        "WDA_annotion_time": "Ann1.mp4 00:00-00:02\n",
    }
    for subset in ("RD", "WDA", "WRA"):
        for kind in ("video_url", "annotion_time", "crop_wh", "resolution"):
            name = f"{subset}_{kind}"
            (folder / f"{name}.txt").write_text(texts.get(name, "").format(tmp_path))
    write_talk(tmp_path / "talk.mp4", 50, dummy_voice(tmp_path / "voice.wav", 2.0))
    install(tmp_path)
    return tmp_path


def test_the_recipe_makes_models_of_links(miniature, monkeypatch):
    monkeypatch.chdir(miniature)
    options = {"PREP": "--size 32", "AUDIO": "--model mel", "FETCH": "cp"}
    variables = {"DD_EXAMPLES": str(SCRIPTS.parent), **options}
    done = run(miniature, "sbatch", "--array=1", RECIPE / "prepare.sh", "HDTF_dataset", ".", **variables)
    assert "gone.mp4" in done.stderr and (miniature / "failed").read_text() == "1.1\n", "one cannot be had"
    names = ["RD_Radio1_000", "RD_Radio1_001", "WDA_Ann1_000"]
    for folder, suffix in (("cut", ".mp4"), ("clips", ".h5"), ("speech", ".npy")):
        assert sorted(path.name for path in (miniature / folder).iterdir()) == [f"{name}{suffix}" for name in names]
    assert sorted(path.name for path in (miniature / "videos").iterdir()) == ["RD_Radio1.mp4", "WDA_Ann1.mp4"]
    (miniature / "test.txt").write_text("WDA_Ann1_000\n")
    training = "--preset tiny --steps 2 --exclude test.txt --device cpu -q"
    for line in (
        f"dd-train-ae clips -o renderer.safetensors {training}",
        f"dd-encode {' '.join(f'clips/{name}.h5' for name in names)} -o latents --renderer renderer.safetensors -q",
        f"dd-train-seq latents --speech speech -o motion.safetensors {training}",
    ):
        assert call(*line.split()).status == 0, line
    assert read_checkpoint("motion.safetensors", MOTION).training["clips"] == names[:2]
