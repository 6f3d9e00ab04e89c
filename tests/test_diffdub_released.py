"""The authors' released networks: their numbers, their configurations, and memory."""

import importlib.util
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from commands import call
from factories import dummy_lossless_video, shared_file
from hypothesis import given, settings
from hypothesis import strategies as st
from released import (
    GOLDEN,
    dummy_authors_checkpoint,
    dummy_released_inputs,
    dummy_released_sequence,
    dummy_released_state,
    dummy_small_motion,
    dummy_small_renderer,
)
from torch import nn

from dd_tools.diffdub.autoencoder import DiffusionAutoencoder
from dd_tools.diffdub.motion_training import PRESETS as MOTION_PRESETS
from dd_tools.diffdub.released import motion_config, renderer_config
from dd_tools.diffdub.renderer import STEPS
from dd_tools.diffdub.renderer_config import RendererConfig
from dd_tools.diffdub.renderer_training import PRESETS
from dd_tools.diffdub.sampling import sample
from dd_tools.formats.clip import Clip
from dd_tools.pipeline.models import load_motion_model, load_renderer

# Loads a small file to have everything imported, then a large one; prints the growth of the peak in bytes.
LOADING = """
import re, sys
from pathlib import Path
{imports}
def peak(): return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
def load(path): return sum(tensor.sum().item() for tensor in {tensors})
load(sys.argv[1]); before = peak(); load(sys.argv[2]); print(peak() - before)
"""
LOAD_OWN = LOADING.format(
    imports="from dd_tools.formats.checkpoint import read_checkpoint\n"
    "from dd_tools.diffdub.renderer import network_from",
    tensors="network_from(read_checkpoint(path, 'renderer'), path).parameters()",
)
LOAD_RENDERER = LOADING.format(
    imports="from dd_tools.pipeline.models import load_renderer",
    tensors="load_renderer(Path(path)).network.parameters()",
)
LOAD_RELEASED = LOADING.format(
    imports="from dd_tools.formats.released import read_released\nfrom dd_tools.diffdub.released import convert",
    tensors="convert(read_released(path), path)[0].tensors.values()",
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
    network, given = load_renderer(folder / "stage1.safetensors").network, dummy_released_inputs()
    z, reference = network.encode(given["face"]), given["reference"]
    np.testing.assert_allclose(z, golden["z"], atol=1e-4)
    eps = network(given["x0"], reference, torch.full((2,), 321), z)
    np.testing.assert_allclose(eps, golden["eps_at_321"], atol=1e-4)

    def denoise(xt, t):
        return network.denoise(xt, reference, t, z)

    painted = sample(denoise, given["xT"], given["x0"], given["mask"], STEPS)
    np.testing.assert_allclose((painted + 1) / 2, golden["ddim_20"], atol=1e-4)


@torch.inference_mode()
def test_the_motion_model_gives_the_authors_numbers(folder, golden):
    network = load_motion_model(folder / "stage2.safetensors").network
    np.testing.assert_allclose(network(*dummy_released_sequence()), golden["motion"], atol=1e-4)


def test_the_golden_file_holds_what_the_released_code_computed(golden):
    """The same numbers from the same weights and inputs as those recorded when the released code was run."""
    program = shared_file("golden/vectors.py")
    spec = importlib.util.spec_from_file_location("vectors", program)
    vectors = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(vectors)
    recorded = np.load(program.with_name("golden.npz"))
    for name, its_name in (("z", "ae64_z"), ("eps_at_321", "ae64_eps321"), ("ddim_20", "ae64_ddim20")):
        np.testing.assert_array_equal(golden[name], recorded[its_name])
    np.testing.assert_array_equal(golden["motion"], recorded["seq_a"])
    for network, listing in (("renderer-64", "ae64.spec.json"), ("motion", "seq.spec.json")):
        weights, own = vectors.state(program.with_name(listing)), dummy_released_state(network)
        assert set(weights) == set(own)
        for name, tensor in own.items():
            np.testing.assert_array_equal(tensor, weights[name])
    x0, reference, face, xT, keep = vectors.renderer_inputs()
    recorded = {"x0": x0, "reference": reference, "face": face, "xT": xT}
    recorded["mask"] = 1 - keep.transpose(0, 3, 1, 2)[:, :1]
    for name, tensor in dummy_released_inputs().items():
        np.testing.assert_array_equal(tensor, recorded[name])
    for tensor, array in zip(dummy_released_sequence(), vectors.sequence_inputs(), strict=True):
        np.testing.assert_array_equal(tensor, array)


def test_the_presets_are_the_released_networks(folder):
    """The motion model's to the last setting; the renderer's where a miniature can be like it."""
    motion, renderer = (
        load(folder / f"{name}.safetensors").network.config
        for load, name in ((load_motion_model, "stage2"), (load_renderer, "stage1"))
    )
    assert motion == MOTION_PRESETS["paper"].config
    smaller = {"size": 64, "channels": 32, "multipliers": (1, 2, 4, 8)}
    smaller |= {"encoder_channels": 32, "encoder_multipliers": (1, 2, 4, 8, 8)}
    assert renderer == replace(PRESETS["paper"].config, **smaller)


@pytest.mark.parametrize("which", ["1", "2"])
def test_a_clip_in_the_papers_framing_has_the_authors_mask_and_face_image(tmp_path, which):
    golden = np.load(GOLDEN / "masks.npz")
    dummy_lossless_video(tmp_path / "cut.mp4", [golden[f"frame{which}"]])
    np.save(tmp_path / "landmarks.npy", golden[f"landmarks{which}"][None])
    framing = PRESETS["paper"].config.framing
    options = [*str(framing).split(), "--landmarks", tmp_path / "landmarks.npy", "-q"]
    assert call("dd-prep", tmp_path / "cut.mp4", "-o", tmp_path / "clip.h5", *options) == (0, "", "")
    with Clip(tmp_path / "clip.h5") as clip:
        clip.check_usable(framing)
        painted = np.unpackbits(golden[f"paint_packed{which}"]).reshape(256, 256)
        np.testing.assert_array_equal(clip.frames[0], golden[f"frame{which}"])
        np.testing.assert_array_equal(clip.mask[0], painted)
        np.testing.assert_array_equal(clip.face[0], golden[f"face{which}"])


@pytest.mark.parametrize(
    ("program", "file", "times"),
    [
        (LOAD_OWN, "stage1.safetensors", 1.5),
        (LOAD_RELEASED, "bare.ckpt", 1.5),
        (LOAD_RENDERER, "stage1.safetensors", 2),  # its convolutions are copied, channels last, out of the mapped file
    ],
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_loading_takes_little_more_memory_than_the_file_is_long(folder, program, file, times):
    small = "small.safetensors" if file.endswith("safetensors") else "small.ckpt"
    command = [sys.executable, "-c", program, folder / small, folder / file]
    taken = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert taken < times * (folder / file).stat().st_size


layouts = st.builds(
    dict,
    channels=st.sampled_from([4, 8]),
    multipliers=st.sampled_from([(1,), (1, 2), (2, 1), (1, 1, 2)]),
    encoder_channels=st.sampled_from([4, 8]),
    encoder_multipliers=st.sampled_from([(1, 2), (1, 1, 2, 2)]),
    blocks=st.integers(1, 3),
    z_size=st.integers(1, 9),
    embedding_size=st.integers(2, 9),
)


@settings(max_examples=15, deadline=None)
@given(layouts, st.data())
def test_the_shapes_of_a_renderer_tell_its_configuration(layout, data):
    """With attention at 16 px and maybe at larger maps, as long as some level has it."""
    levels = len(layout["multipliers"])
    size = 16 * 2 ** data.draw(st.integers(0, levels - 1))
    attention = (16,) if size == 16 else data.draw(st.sampled_from([(16,), (32, 16)]))
    changes = layout | {"size": size, "attention_at": attention}
    assert renderer_config(dummy_small_renderer(**changes)) == replace(RendererConfig(), **changes)


def test_noise_tells_the_size_where_attention_does_not():
    tensors = dummy_small_renderer(size=8, encoder_multipliers=(1,))
    config = renderer_config(tensors, 8)
    assert (config.size, config.attention_at) == (8, ())
    with pytest.raises(LookupError):
        renderer_config(tensors)


def test_the_shapes_of_a_motion_model_tell_its_configuration():
    changes = {"speech_layers": 4, "speech_width": 6, "z_size": 24, "width": 24, "heads": 4, "hidden": 5, "kernel": 7}
    changes |= {"reference_blocks": 3, "speech_blocks": 1, "decoder_blocks": 2}
    tensors = {name.removeprefix("encoder."): tensor for name, tensor in dummy_small_motion(**changes).items()}
    config = motion_config(tensors)
    assert {name: getattr(config, name) for name in changes} == changes


def test_a_diff_ae_becomes_a_renderer_that_does_not_see_the_reference(tmp_path):
    """Against the same network with a first convolution of three channels and no reference at all."""
    state = dummy_small_renderer()
    state["input_blocks.0.0.weight"] = state["input_blocks.0.0.weight"][:, :3].clone()
    state |= {"latent_net.layers.0.weight": torch.zeros(2)}
    dummy_authors_checkpoint(tmp_path / "ffhq.ckpt", state)
    outcome = call("dd-import", tmp_path / "ffhq.ckpt", "-o", tmp_path / "ffhq.safetensors")
    assert outcome.status == 0
    assert "is Diff-AE: a renderer of" in outcome.errors and "ema_model.latent_net, " in outcome.errors
    network = load_renderer(tmp_path / "ffhq.safetensors").network

    original = DiffusionAutoencoder(network.config).eval()
    original.input_blocks[0][0] = nn.Conv2d(3, 8, 3, padding=1)
    del state["latent_net.layers.0.weight"]
    original.load_state_dict(state)
    x, reference = torch.randn(2, 2, 3, 32, 32)
    t, z = torch.tensor([0, 700]), torch.randn(2, 16)
    with torch.inference_mode():
        expected = original(x, reference[:, :0], t, z)
        torch.testing.assert_close(network(x, reference, t, z), expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(network.encode(x), original.encode(x))
    assert expected.std() > 1e-3
