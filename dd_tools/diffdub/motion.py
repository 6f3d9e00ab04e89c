"""Runs a trained stage 2: motion for speech of any length."""

from pathlib import Path

import numpy as np
import torch

from dd_tools.diffdub.motion_network import MotionConfig, MotionNetwork
from dd_tools.formats.checkpoint import Checkpoint, module_with
from dd_tools.nn.device import AUTO, DTYPES, choose_dtype, computing
from dd_tools.nn.overlap import in_windows
from dd_tools.reporting import Progress

ONE_SHOT_REPEATS = 75  # the authors repeat a single reference latent this many times
WINDOW = 1500  # latents generated at once, a minute; the memory of attention grows with the square of the length


class DiffDubMotionModel:
    """Implements `dd_tools.pipeline.interfaces.MotionModel` with a `MotionNetwork`.

    dtype: name of the floating-point format, see `choose_dtype`.
    """

    generation_options = ()

    def __init__(self, network: MotionNetwork, device: torch.device | str = "cpu", dtype: str = AUTO):
        self.network, self.device = network.to(device).eval(), torch.device(device)
        self.dtype = DTYPES[choose_dtype(dtype, self.device)]
        config = network.config
        self.speech_model, self.speech_layers, self.speech_width, self.z_size = (
            config.speech_model,
            config.speech_layers,
            config.speech_width,
            config.z_size,
        )
        self.layer_weights = network.weights.detach().softmax(0)[:, None].cpu().numpy()

    def choose_references(self, available: int, count: int) -> np.ndarray:
        """The first `count`, as the authors take 3 consecutive seconds."""
        return np.arange(min(count, available))

    def accepts(self, latents: np.ndarray) -> bool:
        """Whether they have the right width; nothing else identifies the renderer of a latent."""
        return latents.shape[1] == self.z_size

    @torch.inference_mode()
    def generate(self, speech: np.ndarray, reference: np.ndarray, *, progress: Progress = iter) -> np.ndarray:
        """See `MotionModel.generate`. Motion longer than `WINDOW` is generated in windows that are cross-faded."""
        if len(reference) == 1:
            reference = np.repeat(reference, ONE_SHOT_REPEATS, axis=0)
        latents = torch.from_numpy(reference).to(self.device, torch.float32)[None]

        def compute(start: int, stop: int) -> np.ndarray:
            features = torch.from_numpy(np.array(speech[:, 2 * start : 2 * stop], np.float32)).to(self.device)
            with computing(self.device, self.dtype):
                return self.network(features[None], latents)[0].float().cpu().numpy()

        return in_windows(compute, -(-speech.shape[1] // 2), WINDOW, progress)


def motion_model_from(
    checkpoint: Checkpoint, path: str | Path, device: torch.device | str, dtype: str = AUTO
) -> DiffDubMotionModel:
    """The motion model in a checkpoint. path: its file, for error messages. Raises `DataError` if it does not fit."""
    return DiffDubMotionModel(network_from(checkpoint, path), device, dtype)


def network_from(checkpoint: Checkpoint, path: str | Path) -> MotionNetwork:
    """The network in a checkpoint, in eval mode on the CPU. See `motion_model_from`."""
    return module_with(checkpoint.tensors, lambda: MotionNetwork(MotionConfig.from_json(checkpoint.config)), path)
