"""Networks on a pretended GPU: a tensor on the wrong device, or a float64 on it, is an error here without a GPU."""

import contextlib

import numpy as np
import pytest
import torch
from both_kinds import of_both_kinds, tiny_renderer
from factories import dummy_clip
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils._python_dispatch import TorchDispatchMode
from training_tasks import TASKS, dummy_task, write_clips

from dd_tools.diffdub import renderer as diffdub_renderer
from dd_tools.diffdub.autoencoder import DiffusionAutoencoder
from dd_tools.diffdub.diffusion import tables_on
from dd_tools.formats.clip import Clip
from dd_tools.nn.conformer import Convolution
from dd_tools.nn.device import computing
from dd_tools.warp import renderer as warp_renderer
from dd_tools.warp.network import WarpNetwork

GPU = torch.device("cuda", 0)
RENDERERS = {"diffdub": diffdub_renderer, "warp": warp_renderer}
NETWORKS = {"diffdub": DiffusionAutoencoder, "warp": WarpNetwork}


class NoDoubles(TorchDispatchMode):
    """Raises if an operation makes a float64 tensor on the GPU. MPS has none."""

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        result = function(*arguments, **(options or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                assert tensor.device.type == "cpu" or tensor.dtype != torch.float64, f"{function} made a float64"
        return result


@contextlib.contextmanager
def fake_gpu():
    """Tensors have no values here, but shapes, types and devices, which must fit as on a real GPU."""
    tables_on.cache_clear()  # pretended tensors must neither be found there nor be left
    with FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv()), NoDoubles():
        yield
    tables_on.cache_clear()


def on_gpu(network_class, config) -> torch.nn.Module:
    with torch.device(GPU):
        return network_class(config)


def test_the_pretended_gpu_tells_devices_apart():
    with fake_gpu():
        there = torch.ones(2, device=GPU)
        assert (2 * there).device == GPU
        with pytest.raises(RuntimeError, match="same device"):
            there + torch.ones(2)
        with pytest.raises(AssertionError, match="float64"):
            torch.ones(2, dtype=torch.float64).to(GPU)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize(("kind", "size"), [("diffdub", 32), ("warp", 32), ("warp", 64)])
def test_painting_keeps_to_the_device(kind, size, dtype, tmp_path, monkeypatch):
    """The painter of a clip, up to the frames, which would be copied to the CPU."""
    monkeypatch.setattr(RENDERERS[kind], "to_frames", lambda images: images)
    renderer = tiny_renderer(kind)
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=3, size=size)) as clip:
        z = np.zeros((3, renderer.z_size), np.float32)
        painter = renderer.painter(clip)  # for the warp kind, this encodes references, with results on the CPU
        with fake_gpu():
            renderer.network = on_gpu(NETWORKS[kind], renderer.network.config).eval()
            renderer.device, renderer.painting_dtype = GPU, {"fp32": torch.float32, "bf16": torch.bfloat16}[dtype]
            if kind == "diffdub":
                painter = renderer.painter(clip, steps=2)
            painted = painter([0, 1, 2], clip.pts[:3], z, slice(0, 3))
            assert (painted.device, painted.dtype, painted.shape) == (GPU, torch.float32, (3, 3, size, size))


@of_both_kinds
def test_encoding_keeps_to_the_device(kind):
    config = tiny_renderer(kind).network.config
    with fake_gpu():
        network = on_gpu(NETWORKS[kind], config)
        inputs = [torch.zeros(2, 3, 32, 32, device=GPU)]
        inputs += [torch.zeros(2, 25, 2, device=GPU)] if kind == "warp" else []
        for dtype in (torch.float32, torch.bfloat16):
            with computing(GPU, dtype):
                assert network.encode(*inputs).device == GPU


@pytest.mark.parametrize("name", TASKS)
def test_losses_keep_to_the_device(name, tmp_path, monkeypatch):
    """The loss of a real batch with its augmentation, in 64 samples of which each operator meets some.

    Batch norm ignores padding: otherwise its shapes would depend on values.
    """
    monkeypatch.setattr(Convolution, "_normalise", lambda self, x, valid: self.norm(x))
    write_clips(tmp_path)
    task, _ = dummy_task(name, tmp_path)
    batch = task.data.batch(torch.Generator().manual_seed(0), 64)
    assert all(len(tensor) for tensor in batch.values())
    model = task.objective.model
    with fake_gpu():
        with torch.device(GPU):
            for part, _ in list(task.objective.named_children()):  # a distilled model, and its teacher
                setattr(task.objective, part, type(model)(model.config))
        for part, buffer in list(task.objective.named_buffers(recurse=False)):
            setattr(task.objective, part, buffer.to(GPU))
        loss = task.objective(task.data.prepare({key: tensor.to(GPU) for key, tensor in batch.items()}))
        assert (loss.device, loss.dtype, loss.shape) == (GPU, torch.float32, ())
