"""The interfaces of renderers and motion models. `dd_tools.diffdub` and `dd_tools.warp` each implement both.

The kind stored in a checkpoint selects the class (`dd_tools.pipeline.models`). No other code depends on the kind.
"""

from typing import Protocol

import numpy as np

from dd_tools.formats.clip import Clip, Framing
from dd_tools.reporting import Progress


class ClipEncoder(Protocol):
    """Encodes the face images of one clip."""

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Latents float32 (N, Z) of the usable frames with indices `frames` (N,)."""


class ClipPainter(Protocol):
    """Paints the lower face into frames of one clip."""

    def __call__(self, frames: np.ndarray, pts: np.ndarray, latents: np.ndarray, span: slice) -> np.ndarray:
        """Painted crops uint8 (n, S, S, 3) of the output frames in `span`; pixels outside the mask are unchanged.

        The arguments describe all N output frames with a usable face, so that a painter can also use neighbours in
        time. frames (N,): index of the clip's frame behind each. pts (N,): times in the output, in seconds, rising.
        latents (N, Z): one for each.
        """


class Renderer(Protocol):
    """Stage 1: face images to latents, and latents to painted crops.

    framing: size, crop and mask of the clips that it takes.
    z_size: width Z of its latents.
    painting_options: names of the options that `painter` takes.
    """

    framing: Framing
    z_size: int
    painting_options: tuple[str, ...]

    def compile(self) -> None:
        """Compile the network for painting. The first painting then takes long, and others of that size are faster.

        Raises `RuntimeError` if this installation of PyTorch cannot compile; the first painting may raise it, too.
        """

    def encoder(self, clip: Clip) -> ClipEncoder:
        """An encoder for frames of `clip`."""

    def painter(self, clip: Clip, **options: object) -> ClipPainter:
        """A painter for frames of `clip`. Raises `UsageError` for options out of range."""


class MotionModel(Protocol):
    """Stage 2: speech features and reference latents to motion.

    speech_model: name of the speech model whose features it takes.
    speech_layers, speech_width: L and D of these features.
    z_size: width Z of the latents.
    layer_weights: (L, D) or (L, 1), with which the layers of the features may be summed beforehand.
    generation_options: names of the options that `generate` takes.
    """

    speech_model: str
    speech_layers: int
    speech_width: int
    z_size: int
    layer_weights: np.ndarray
    generation_options: tuple[str, ...]

    def choose_references(self, available: int, count: int) -> np.ndarray:
        """Indices of up to `count` reference latents among `available` latents, 25 per second."""

    def accepts(self, latents: np.ndarray) -> bool:
        """Whether `latents` (N, Z) can be those of a renderer that this model fits."""

    def generate(
        self, speech: np.ndarray, reference: np.ndarray, *, progress: Progress, **options: object
    ) -> np.ndarray:
        """Latents float32 (⌈T / 2⌉, Z) for speech features (L or 1, T, D) and reference latents (N, Z).

        progress: wraps the starts of windows. Raises `UsageError` for options out of range.
        """
