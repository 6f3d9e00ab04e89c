"""Released weights through dd-import: the released code's numbers, for weights that follow from their names."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from commands import call
from factories import dummy_lossless_video
from released import (
    GOLDEN,
    dummy_authors_checkpoint,
    dummy_released_inputs,
    dummy_released_sequence,
    dummy_released_state,
    dummy_small_motion,
    dummy_small_renderer,
)

from dd_tools.formats.checkpoint import MOTION, RENDERER, read_checkpoint
from dd_tools.formats.clip import Clip
from dd_tools.motion.config import PRESETS as MOTION_PRESETS
from dd_tools.motion.model import load_motion_model
from dd_tools.renderer.autoencoder import load_renderer
from dd_tools.renderer.config import PRESETS
from dd_tools.renderer.diffusion import ddim_sample
from dd_tools.renderer.images import to_frames
from dd_tools.renderer.inputs import shown

# Loads a small file to have everything imported, then a large one; prints the growth of the peak in bytes.
LOADING = """
import re, sys
from pathlib import Path
{imports}
def peak(): return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
def load(path): return sum(p.sum().item() for p in {load}.parameters())
load(sys.argv[1]); before = peak(); load(sys.argv[2]); print(peak() - before)
"""
OURS = LOADING.format(imports="from dd_tools.renderer.autoencoder import load_renderer", load="load_renderer(path)")
THEIRS = LOADING.format(
    imports="from dd_tools.formats.reference_checkpoint import read_reference_checkpoint as read\n"
    "from dd_tools.renderer.released import released_model",
    load="released_model(read(path), path)",
)


@pytest.fixture(scope="module")
def golden():
    return np.load(GOLDEN / "released.npz")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Both stages as the authors would save them and as dd-import makes them, and small ones of stage 1."""
    folder = tmp_path_factory.mktemp("released")
    dummy_authors_checkpoint(folder / "stage1.ckpt", dummy_released_state("renderer-64"), size=64)
    dummy_authors_checkpoint(folder / "stage2.ckpt", dummy_released_state("motion"), stage=2)
    torch.save(dummy_released_state("renderer-64"), folder / "bare.ckpt")
    torch.save(dummy_small_renderer(), folder / "small.ckpt")
    for name in ("stage1", "stage2", "small"):
        assert call("dd-import", folder / f"{name}.ckpt", "-o", folder / f"{name}.safetensors", "-q").status == 0
    return folder


@torch.inference_mode()
def test_the_renderer_gives_the_authors_numbers(folder, golden):
    renderer, given = load_renderer(folder / "stage1.safetensors"), dummy_released_inputs()
    z, reference = renderer.encode(given["face"]), given["reference"]
    np.testing.assert_allclose(z, golden["z"], atol=1e-4)
    np.testing.assert_allclose(
        renderer(given["x0"], reference, torch.full((2,), 321), z), golden["eps_at_321"], atol=1e-4
    )
    painted = ddim_sample(
        lambda x, t: renderer(x, reference, t, z),
        renderer.schedule,
        renderer.config.prediction,
        given["xT"],
        given["x0"],
        given["mask"],
        renderer.config.steps,
    )
    np.testing.assert_allclose((painted + 1) / 2, golden["ddim_20"], atol=1e-3)


@torch.inference_mode()
def test_the_motion_model_gives_the_authors_numbers(folder, golden):
    motion = load_motion_model(folder / "stage2.safetensors")(*dummy_released_sequence())
    np.testing.assert_allclose(motion, golden["motion"], atol=1e-4)


def test_the_presets_are_the_released_networks(folder):
    """The motion model's to the last setting; the renderer's where a miniature can be like it."""
    assert load_motion_model(folder / "stage2.safetensors").config == MOTION_PRESETS["paper"]
    found, paper = (
        config.to_json() for config in (load_renderer(folder / "stage1.safetensors").config, PRESETS["paper"])
    )
    smaller = {"size": 64, "channels": 32, "multipliers": [1, 2, 4, 8]}
    assert found == paper | smaller | {"encoder_channels": 32, "encoder_multipliers": [1, 2, 4, 8, 8]}


@pytest.mark.parametrize("which", ["1", "2"])
def test_a_clip_in_the_papers_framing_has_the_authors_mask_and_face_image(tmp_path, which):
    golden = np.load(GOLDEN / "masks.npz")
    dummy_lossless_video(tmp_path / "cut.mp4", [golden[f"frame{which}"]])
    np.save(tmp_path / "landmarks.npy", golden[f"landmarks{which}"][None])
    options = "--crop", "head", "--size", 256, "--mask", "paper", "--landmarks", tmp_path / "landmarks.npy", "-q"
    assert call("dd-prep", tmp_path / "cut.mp4", "-o", tmp_path / "clip.h5", *options) == (0, "", "")
    with Clip(tmp_path / "clip.h5") as clip:
        painted = np.unpackbits(golden[f"paint_packed{which}"]).reshape(256, 256)
        np.testing.assert_array_equal(clip.frames[0], golden[f"frame{which}"])
        np.testing.assert_array_equal(clip.mask[0], painted)
        np.testing.assert_array_equal(to_frames(shown(clip, [0], eyes=True)[0])[0], golden[f"face{which}"])


@pytest.mark.parametrize(("program", "file"), [(OURS, "stage1.safetensors"), (THEIRS, "bare.ckpt")])
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_loading_takes_little_more_memory_than_the_file_is_long(folder, program, file):
    small = "small.safetensors" if file.endswith("safetensors") else "small.ckpt"
    command = [sys.executable, "-c", program, folder / small, folder / file]
    taken = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert taken < 1.5 * (folder / file).stat().st_size


def test_what_was_found_is_said_and_every_unused_key(folder, tmp_path):
    said = call("dd-import", folder / "stage1.ckpt", "-o", tmp_path / "r.safetensors").errors
    assert "is DiffDub stage 1: a renderer of 25.8 M parameters, the moving average\n" in said
    assert "its shapes say: 64 px, z of 512; assumed as in the paper: crop head, mask paper" in said
    expected = "model (506 keys), epoch, pytorch-lightning_version, callbacks, lr_schedulers, optimizer_states, "
    assert f"dd-import: not used: x_T, {expected}hyper_parameters\n" in said
    said = call("dd-import", folder / "stage1.ckpt", "-o", tmp_path / "r.safetensors", "--verbose").errors
    assert said.count("dd-import: not used: model.") == 506
    assert "dd-import: not used: model.out.2.bias\n" in said
    said = call("dd-import", folder / "stage2.ckpt", "-o", tmp_path / "m.safetensors").errors
    assert "is DiffDub stage 2: a motion model of 35.1 M parameters, without a moving average\n" in said
    assert "25 layers of 1024 speech features" in said and "chinese-hubert-large" in said


def test_the_weights_file_knows_where_it_comes_from(folder):
    weights = read_checkpoint(folder / "stage1.safetensors", RENDERER)
    assert weights.training == {"imported": "DiffDub stage 1", "file": "stage1.ckpt", "moving average": True}
    assert weights.history[0]["command"] == "dd-import" and list(weights.history[0]["inputs"]) == ["stage1.ckpt"]
    assert read_checkpoint(folder / "stage2.safetensors", MOTION).training["moving average"] is False


def test_the_noise_is_kept_as_dd_render_takes_it(folder, tmp_path):
    arguments = folder / "stage1.ckpt", "-o", tmp_path / "r.safetensors", "--x-t", tmp_path / "xT.npy"
    assert "x_T" not in call("dd-import", *arguments).errors
    noise = torch.load(folder / "stage1.ckpt", weights_only=False)["state_dict"]["x_T"]
    np.testing.assert_array_equal(np.load(tmp_path / "xT.npy"), noise[0])


@pytest.mark.parametrize("stage", [1, 2])
def test_wrapped_or_bare_or_otherwise_prefixed_is_all_the_same(tmp_path, stage):
    state = dummy_small_renderer() if stage == 1 else dummy_small_motion()
    torch.save(state, tmp_path / "bare.ckpt")
    torch.save({f"module.model.{name}": tensor for name, tensor in state.items()}, tmp_path / "prefixed.ckpt")
    dummy_authors_checkpoint(tmp_path / "wrapped.ckpt", state, stage=stage)
    loaded = []
    for name in ("bare", "prefixed", "wrapped"):
        output = tmp_path / f"{name}.safetensors"
        assert call("dd-import", tmp_path / f"{name}.ckpt", "-o", output, "-q", "--no-history") == (0, "", "")
        loaded.append(read_checkpoint(output, RENDERER if stage == 1 else MOTION))
    for other in loaded[1:]:
        assert other.config == loaded[0].config and other.history == []
        assert all(torch.equal(other.tensors[name], tensor) for name, tensor in loaded[0].tensors.items())
    assert sorted(float(tensor.sum()) for tensor in loaded[0].tensors.values()) == sorted(
        float(tensor.sum()) for tensor in state.values()
    )


def test_dd_info_says_what_a_checkpoint_is(folder):
    outcome = call("dd-info", folder / "stage1.ckpt")
    assert outcome.status == 0
    for line in ("kind: renderer, for dd-import", "source: DiffDub stage 1", "values: 25762499", "x_T: 4, 3, 64, 64"):
        assert line in outcome.output
