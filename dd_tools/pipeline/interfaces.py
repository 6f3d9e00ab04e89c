"""The interface of renderers and motion models. `dd_tools.diffdub` and `dd_tools.warp` each provide one of both.

The kind stored in a checkpoint chooses the class (`dd_tools.pipeline.models`); nothing above asks which one it is.
"""

from typing import Protocol

import numpy as np

from dd_tools.formats.clip import Clip, Framing
from dd_tools.reporting import Progress


class ClipEncoder(Protocol):
    """Encodes the face images of one clip."""

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Latents float32 (N, Z) of usable `frames` (N,) of the clip."""


class ClipPainter(Protocol):
    """Paints the lower face into frames of one clip."""

    def __call__(self, frames: np.ndarray, pts: np.ndarray, latents: np.ndarray, span: slice) -> np.ndarray:
        """Painted crops uint8 (n, S, S, 3) of the output frames in `span`; pixels outside the mask are unchanged.

        All output frames with a usable face are given, so that a painter may look at neighbours in time: the clip's
        frame behind each (N,), its time in the output (N,) in seconds, rising, and its latent (N, Z).
        """


class Renderer(Protocol):
    """Stage 1: face images to latents, and latents to painted crops.

    framing: how the clips that it takes frame the face.
    z_size: width Z of its latents.
    painting_options: names of the options that `painter` takes.
    """

    framing: Framing
    z_size: int
    painting_options: tuple[str, ...]

    def encoder(self, clip: Clip) -> ClipEncoder:
        """What encodes frames of `clip`."""

    def painter(self, clip: Clip, **options: object) -> ClipPainter:
        """What paints frames of `clip`. Raises `UsageError` for options out of range."""


class MotionModel(Protocol):
    """Stage 2: speech features and reference latents to motion.

    speech_model: name of the speech model whose features it takes.
    speech_layers, speech_width: their L and D.
    z_size: width Z of the latents.
    layer_weights: logits (L,) of the weighted sum over layers.
    generation_options: names of the options that `generate` takes.
    """

    speech_model: str
    speech_layers: int
    speech_width: int
    z_size: int
    layer_weights: np.ndarray
    generation_options: tuple[str, ...]

    def choose_references(self, available: int, count: int) -> np.ndarray:
        """Indices of up to `count` reference latents among `available` ones, 25 per second."""

    def accepts(self, latents: np.ndarray) -> bool:
        """Whether `latents` (N, Z) can come from a renderer that this model was trained for."""

    def generate(
        self, speech: np.ndarray, reference: np.ndarray, *, progress: Progress, **options: object
    ) -> np.ndarray:
        """Latents float32 (⌈T / 2⌉, Z) for speech features (L or 1, T, D) and reference latents (N, Z)."""
