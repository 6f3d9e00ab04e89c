"""Runs a trained stage 2: motion for speech of any length, with its lip aperture matched to the speaker."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dd_tools.formats.arrays import evenly_spaced
from dd_tools.formats.checkpoint import Checkpoint, module_with
from dd_tools.nn.device import AUTO, DTYPES, choose_dtype, computing
from dd_tools.nn.overlap import in_windows
from dd_tools.reporting import Progress
from dd_tools.warp.amplitude import SpeakerMotion
from dd_tools.warp.latents import end_in_landmarks
from dd_tools.warp.motion_network import MotionConfig, MotionNetwork


class WarpMotionModel:
    """Implements `dd_tools.pipeline.interfaces.MotionModel` with a `MotionNetwork`.

    dtype: name of the floating-point format, see `choose_dtype`.
    """

    generation_options = ("expression",)

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
        self.layer_weights = network.summing_weights.detach().cpu().numpy()

    def choose_references(self, available: int, count: int) -> np.ndarray:
        """Evenly spaced ones, which show the motion of the face in the whole video."""
        return evenly_spaced(np.arange(available), count)

    def accepts(self, latents: np.ndarray) -> bool:
        """Whether they have the right width and end in the landmarks of a frontal face."""
        return latents.shape[1] == self.z_size and end_in_landmarks(latents)

    @torch.inference_mode()
    def generate(
        self,
        speech: np.ndarray,
        reference: np.ndarray,
        *,
        expression: float | None = None,
        progress: Progress = iter,
    ) -> np.ndarray:
        """See `MotionModel.generate`.

        expression: scale of the lip motion; 1 is the amplitude of the references. None is the model's default.
        """
        config, network = self.network.config, self.network
        latents = torch.from_numpy(reference).to(self.device, torch.float32)[None]
        motion = SpeakerMotion(*self._in_windows(speech, latents, progress), network.aperture_direction.cpu().numpy())
        mean, std = network.speaker_aperture_mean(latents), network.speaker_aperture_std(latents)
        motion.match_aperture(float(mean), float(std), network.confidence(len(reference)))
        return motion.latents(config.expression if expression is None else expression)

    def _in_windows(
        self, speech: np.ndarray, reference: Tensor, progress: Progress
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Base (T, Z), movement (T, Z) and speech probability (T, 1) for speech of any length."""
        length, window = -(-speech.shape[1] // 2), self.network.config.window

        def features(start: int, stop: int) -> Tensor:
            part = np.array(speech[:, 2 * start : 2 * stop], np.float32)
            return torch.from_numpy(part).to(self.device)[None]

        parts = (features(start, start + window) for start in range(0, length, window))
        spoken_mean = self.network.spoken_mean(map(self.network.standardised_sum, parts))

        def compute(start: int, stop: int) -> np.ndarray:
            with computing(self.device, self.dtype):
                motion = self.network(features(start, stop), reference, spoken_mean=spoken_mean)
            tracks = motion.base, motion.movement, motion.speech_probability
            return torch.cat([track.float() for track in tracks], dim=2)[0].cpu().numpy()

        tracks = in_windows(compute, length, window, progress)
        base, movement, probability = np.split(tracks, [self.z_size, 2 * self.z_size], axis=1)
        return base, movement, probability


def motion_model_from(
    checkpoint: Checkpoint, path: str | Path, device: torch.device | str, dtype: str = AUTO
) -> WarpMotionModel:
    """The motion model in a checkpoint. path: its file, for error messages. Raises `DataError` if it does not fit."""
    return WarpMotionModel(network_from(checkpoint, path), device, dtype)


def network_from(checkpoint: Checkpoint, path: str | Path) -> MotionNetwork:
    """The network in a checkpoint, in eval mode on the CPU. See `motion_model_from`."""
    return module_with(checkpoint.tensors, lambda: MotionNetwork(MotionConfig.from_json(checkpoint.config)), path)
