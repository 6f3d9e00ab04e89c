"""A GPU computes what the CPU computes. Without a CUDA device, all of this skips; `test_fake_gpu` runs anywhere."""

import csv

import numpy as np
import pytest
import torch
from both_kinds import fitting_latents, noisy_latents, of_both_kinds, tiny_motion_model, tiny_renderer
from factories import dummy_clip, dummy_hubert, dummy_speech, dummy_whisper
from reporters import RecordingReporter
from training_tasks import CPU, TASKS, dummy_task, write_clips

from dd_tools.diffdub.autoencoder import DiffusionAutoencoder
from dd_tools.diffdub.renderer_training import PRESETS
from dd_tools.formats.clip import Clip
from dd_tools.nn.batches import Batches
from dd_tools.nn.device import computing
from dd_tools.pipeline.encode import encode_clip
from dd_tools.pipeline.generate import generate_motion
from dd_tools.pipeline.painting import Speaker, compile_renderer
from dd_tools.speech.registry import open_speech_model
from dd_tools.training.loop import prepared, train

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
GPU = torch.device("cuda")
OPTIONS = {"diffdub": {"steps": 4}, "warp": {}}


@pytest.fixture
def clip(tmp_path):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=11)) as clip:
        yield clip


def moved(model, device: torch.device, dtype: str = "fp32"):
    """The renderer or motion model on another device."""
    return type(model)(model.network, device, dtype)


def paint(renderer, clip, kind, *, batch_size=8, **options) -> np.ndarray:
    latents = noisy_latents(tiny_renderer(kind), clip)
    speaker = Speaker(clip, latents, renderer, loop="stop", tail="silence", **OPTIONS[kind] | options)
    return np.stack([item.crop for item in speaker.paint(slice(0, 11), batch_size)]).astype(int)


@of_both_kinds
def test_latents_are_those_of_the_cpu(kind, clip):
    expected, found = (encode_clip(moved(tiny_renderer(kind), device), clip) for device in (CPU, GPU))
    assert np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max()


@of_both_kinds
def test_motion_is_that_of_the_cpu(kind):
    speech, latents = dummy_speech(60), fitting_latents(kind, 30)
    expected, found = (
        generate_motion(moved(tiny_motion_model(kind), device), speech, latents) for device in (CPU, GPU)
    )
    limit = 5e-3 if kind == "diffdub" else 1e-3  # its weights, of standard deviation 1, magnify rounding
    assert np.abs(found - expected).max() <= limit * np.abs(expected).max()


@pytest.mark.parametrize(("dtype", "limit"), [("fp32", 0.01), ("auto", 0.5), ("bf16", 0.5), ("fp16", 0.1)])
@of_both_kinds
def test_painted_crops_are_those_of_the_cpu(kind, dtype, limit, clip):
    """limit: of the mean difference of pixel values, 0 to 255."""
    expected = paint(moved(tiny_renderer(kind), CPU), clip, kind)
    assert np.abs(paint(moved(tiny_renderer(kind), GPU, dtype), clip, kind) - expected).mean() <= limit


def test_larger_crops_are_painted_as_on_the_cpu(tmp_path):
    with Clip(dummy_clip(tmp_path / "large.h5", frames=11, size=64)) as large:
        expected, found = (paint(moved(tiny_renderer("warp"), device), large, "warp") for device in (CPU, GPU))
    assert found.shape == (11, 64, 64, 3) and np.abs(found - expected).mean() <= 0.01


@of_both_kinds
def test_painting_can_be_repeated(kind, clip):
    renderer = moved(tiny_renderer(kind), GPU, "bf16")
    assert np.array_equal(paint(renderer, clip, kind), paint(renderer, clip, kind))


@pytest.mark.slow
@of_both_kinds
def test_a_compiled_renderer_paints_the_same(kind, clip):
    renderer, latents = moved(tiny_renderer(kind), GPU), noisy_latents(tiny_renderer(kind), clip)
    speaker = Speaker(clip, latents, renderer, loop="stop", tail="silence", **OPTIONS[kind])
    expected, found = [], []
    for crops in (expected, found):
        crops += [item.crop.astype(int) for item in speaker.paint(slice(0, 11), 8)]
        if crops is expected:
            compile_renderer(renderer, [speaker], 8, RecordingReporter())
    assert np.abs(np.stack(found) - np.stack(expected)).max() <= 1


def test_a_batch_that_does_not_fit_is_halved():
    """The memory of the GPU is limited to what lies between the needs of one image and of many."""
    network, most = DiffusionAutoencoder(PRESETS["small"].config).to(GPU).eval(), 64

    def encode(part: slice) -> np.ndarray:
        with torch.inference_mode(), computing(GPU, torch.float32):
            faces = torch.linspace(-1, 1, 96, device=GPU).expand(most, 3, 96, 96)[part].clone()
            return network.encode(faces).cpu().numpy()

    needs = []
    for count in (1, most):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        expected = encode(slice(0, count))
        needs.append(torch.cuda.max_memory_reserved())
    torch.cuda.empty_cache()
    recorder = RecordingReporter()
    torch.cuda.set_per_process_memory_fraction(sum(needs) / 2 / torch.cuda.get_device_properties(GPU).total_memory)
    try:
        found = Batches(recorder).compute(encode, slice(0, most))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert recorder.messages
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("dummy", [dummy_hubert, dummy_whisper])
def test_speech_features_are_those_of_the_cpu(dummy, tmp_path):
    samples = np.random.default_rng(0).normal(size=16000).astype(np.float32)
    source = str(dummy(tmp_path))
    expected, found = (open_speech_model(source, device=device).features(samples) for device in ("cpu", "cuda:0"))
    assert np.abs(found.astype(np.float32) - expected).max() <= 1e-2 * np.abs(expected).max()


@pytest.mark.parametrize(("dtype", "limit"), [("fp32", 1e-3), ("bf16", 5e-2), ("fp16", 5e-2)])
@pytest.mark.parametrize("name", TASKS)
def test_training_goes_the_way_of_the_cpu(name, dtype, limit, tmp_path):
    """The losses of five steps are those of the CPU, as far as the format allows."""
    write_clips(tmp_path)
    losses = []
    for device in (CPU, GPU):
        task, settings = dummy_task(name, tmp_path)
        output = tmp_path / f"{device.type}.safetensors"
        assert train(task, settings, output, device=device, dtype="fp32" if device == CPU else dtype)
        with open(output.with_suffix(".csv"), newline="") as stream:
            losses.append([float(row["loss"]) for row in csv.DictReader(stream)])
    np.testing.assert_allclose(losses[1], losses[0], rtol=limit)


@pytest.mark.parametrize("name", TASKS)
def test_a_batch_is_prepared_as_on_the_cpu(name, tmp_path):
    write_clips(tmp_path)
    task, _ = dummy_task(name, tmp_path)
    loaded = task.data.batch(torch.Generator().manual_seed(0), 16)
    expected, found = (prepared(task.data, loaded, device) for device in (CPU, GPU))
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key].cpu(), tensor, atol=2e-4, rtol=0)
