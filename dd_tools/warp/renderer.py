"""Runs a trained stage 1 on clips: encodes face images and landmarks, and paints in one forward pass."""

from pathlib import Path

import numpy as np
import torch

from dd_tools.face.face_images import face_images
from dd_tools.face.landmarks import MOUTH_REGION
from dd_tools.formats.checkpoint import Checkpoint, module_with
from dd_tools.formats.clip import Clip
from dd_tools.nn.device import AUTO, DTYPES, choose_dtype, computing, memory_format
from dd_tools.nn.images import composite, to_frames, to_images, to_masks
from dd_tools.warp.latents import HeadCameras, codes_of
from dd_tools.warp.network import WarpNetwork
from dd_tools.warp.references import ALIGNED_POINTS, References
from dd_tools.warp.renderer_config import RendererConfig

CANDIDATE_BATCH = 32  # reference candidates that are encoded at once


class WarpRenderer:
    """Implements `dd_tools.pipeline.interfaces.Renderer` with a `WarpNetwork`.

    dtype: name of the floating-point format, see `choose_dtype`.
    """

    painting_options = ()

    def __init__(self, network: WarpNetwork, device: torch.device | str = "cpu", dtype: str = AUTO):
        self.device = torch.device(device)
        self.network = network.to(self.device, memory_format=memory_format(self.device)).eval()
        self.encoding_dtype = DTYPES[choose_dtype(dtype, self.device)]
        self.painting_dtype = DTYPES[choose_dtype(dtype, self.device, fast=True)]
        self.framing, self.z_size = network.config.framing, network.config.z_size

    def compile(self) -> None:
        """See `Renderer.compile`."""
        self.network.compile(dynamic=False)

    def encoder(self, clip: Clip) -> "Encoder":
        """See `Renderer.encoder`."""
        return Encoder(self, clip)

    def painter(self, clip: Clip) -> "Painter":
        """See `Renderer.painter`. There are no options: painting is one forward pass."""
        return Painter(self, clip)


class Encoder:
    """Encodes the face images and landmarks of one clip."""

    def __init__(self, renderer: WarpRenderer, clip: Clip):
        self.renderer, self.clip, self.cameras = renderer, clip, HeadCameras(clip)

    @torch.inference_mode()
    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """See `ClipEncoder`."""
        network, device = self.renderer.network, self.renderer.device
        landmarks = self.cameras.to_frontal(self.clip.landmarks[frames][:, MOUTH_REGION], frames)
        with computing(device, self.renderer.encoding_dtype):
            faces = to_images(face_images(self.clip, frames, network.config.eyes)).to(device)
            return network.encode(faces, torch.from_numpy(landmarks).float().to(device)).cpu().numpy()


class Painter:
    """Paints frames of one clip. Reference frames are chosen for each of them."""

    def __init__(self, renderer: WarpRenderer, clip: Clip):
        self.renderer, self.clip = renderer, clip
        encoder = Encoder(renderer, clip)
        self.cameras = encoder.cameras
        self.references = References(clip, renderer.network.config.references)
        frames = self.references.frames
        batches = np.split(frames, range(CANDIDATE_BATCH, len(frames), CANDIDATE_BATCH))
        self.reference_codes = np.concatenate([codes_of(encoder(batch)) for batch in batches])
        self.reference_points = self.references.points[frames][:, ALIGNED_POINTS].astype(np.float32)

    def __call__(self, frames: np.ndarray, pts: np.ndarray, latents: np.ndarray, span: slice) -> np.ndarray:
        """See `ClipPainter`."""
        context = self.references.context(pts, span)
        inside = slice(span.start - context.start, span.stop - context.start)
        mouths = self.cameras.to_crop(latents[context], frames[context])
        points = self.references.with_mouths(frames[context], mouths)
        chosen = self.references.choose(frames[context], pts[context], points)
        with computing(self.renderer.device, self.renderer.painting_dtype):
            return self._paint(frames[span], codes_of(latents[span]), points[inside], chosen[inside])

    @torch.inference_mode()
    def _paint(self, frames: np.ndarray, codes: np.ndarray, points: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Painted crops uint8 (N, D, D, 3) of `frames` (N,).

        codes (N, C), points (N, 46, 2): of `WarpNetwork.forward`. references (N, K): indices into the candidates.
        """
        device = self.renderer.device
        image = to_images(np.stack([self.clip.frames[frame] for frame in frames])).to(device)
        mask = to_masks(np.stack([self.clip.mask[frame] for frame in frames])).to(device)
        images = to_images(self.references.images[references.ravel()]).to(device).unflatten(0, references.shape)
        codes, points = (
            torch.from_numpy(np.concatenate([own[:, None], all_references[references]], axis=1, dtype=np.float32))
            for own, all_references in ((codes, self.reference_codes), (points, self.reference_points))
        )
        painted = self.renderer.network(image, mask, images, codes.to(device), points.to(device))
        return to_frames(composite(painted.float().clamp(-1, 1), image, mask))


def renderer_from(
    checkpoint: Checkpoint, path: str | Path, device: torch.device | str, dtype: str = AUTO
) -> WarpRenderer:
    """The renderer in a checkpoint. path: its file, for error messages. Raises `DataError` if it does not fit."""
    return WarpRenderer(network_from(checkpoint, path), device, dtype)


def network_from(checkpoint: Checkpoint, path: str | Path) -> WarpNetwork:
    """The network in a checkpoint, in eval mode on the CPU. See `renderer_from`."""
    return module_with(checkpoint.tensors, lambda: WarpNetwork(RendererConfig.from_json(checkpoint.config)), path)
