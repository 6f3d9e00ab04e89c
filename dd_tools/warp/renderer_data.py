"""Training samples of stage 1: a frame and its mask, reference frames of its clip, face images and landmarks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d

from dd_tools.nn.images import as_images
from dd_tools.training.chance import draw_below
from dd_tools.training.clip_files import FACE, FRAMES, LANDMARKS, MASK, PTS, ClipFiles
from dd_tools.training.clips import SpeakerBalance
from dd_tools.training.temporary_rows import TemporaryRows
from dd_tools.warp.augmentation import augment
from dd_tools.warp.drawn_changes import draw_changes
from dd_tools.warp.drawn_references import draw_references
from dd_tools.warp.network import shrink, subsample
from dd_tools.warp.references import ALIGNED_POINTS, comparison_points
from dd_tools.warp.renderer_config import RendererConfig

TRACK = np.dtype([("pts", "f8"), ("points", "f4", (66, 2))])  # time and `comparison_points` of a frame


class RendererData:
    """Samples for `PaintingLoss` from clip files.

    speakers: clip name to speaker; speakers are drawn evenly. augment: whether to augment the samples. Raises
    `DataError` for a clip with another framing or without a usable frame.
    """

    def __init__(
        self, paths: Sequence[Path], config: RendererConfig, *, speakers: Mapping[str, str], augment: bool = True
    ):
        self.config, self.augment = config, augment
        self.clips = ClipFiles(paths, config.framing, eyes=config.eyes)
        self.tracks = TemporaryRows(list(map(len, self.clips.usable)), TRACK, self._track)
        self.balance = SpeakerBalance([path.stem for path in paths], speakers)

    def batch(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        """frames and faces uint8 (B, 1 + K, D, D, 3), the image first, then its references; masks uint8 (B, D, D).

        points (B, 1 + K, 46, 2): `alignment_points`. Also the numbers of `draw_changes`, if samples are to be
        augmented.
        """
        clips = self.balance.draw_many(size, generator)
        counts = torch.tensor([len(self.clips.usable[clip]) for clip in clips])
        targets = draw_below(counts, generator).tolist()
        samples = [self._draw_frames(clip, target, generator) for clip, target in zip(clips, targets, strict=True)]
        frames = [(clip, int(frame)) for clip, (sample, _) in zip(clips, samples, strict=True) for frame in sample]
        points = np.stack([points for _, points in samples])
        batch = {
            "frames": self.clips.read(FRAMES, frames).unflatten(0, (size, -1)),
            "faces": self.clips.read(FACE, frames).unflatten(0, (size, -1)),
            "masks": self.clips.read(MASK, frames[:: 1 + self.config.references]),
            "points": torch.from_numpy(points).float(),
        }
        changes = draw_changes(batch["points"], self.config.size, generator) if self.augment else {}
        return batch | changes

    def prepare(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """image (B, 3, S, S), mask (B, 1, S, S), references (B, K, 3, S, S), all at the size that the network sees.

        Of the image and its references also faces (B, 1 + K, 3, S, S), and points (B, 1 + K, 46, 2). If samples are to
        be augmented, also code_shares (B,), see `draw_code_shares`.
        """
        size, places = self.config.size, batch["frames"].shape[:2]
        images, faces, points = as_images(batch["frames"]), as_images(batch["faces"]), batch["points"]
        images = shrink(images.flatten(0, 1), size).unflatten(0, places)
        faces = subsample(faces.flatten(0, 1), size).unflatten(0, places)
        masks = adaptive_max_pool2d(batch["masks"][:, None].float(), size)
        if self.augment:
            images, faces, masks, points = augment(images, faces, masks, points, batch)
        prepared = {"image": images[:, 0], "references": images[:, 1:], "faces": faces, "points": points, "mask": masks}
        return prepared | {"code_shares": batch["code_shares"]} if self.augment else prepared

    def _draw_frames(self, clip: int, target: int, generator: torch.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Frames of a clip: the usable one of number `target`, then its references (1 + K,), and their points."""
        track = self.tracks[clip]
        references = draw_references(track["points"], track["pts"], target, self.config.references, generator)
        sample = np.concatenate([[target], references])
        return self.clips.usable[clip][sample], track["points"][sample, ALIGNED_POINTS]

    def _track(self, clip: int) -> np.ndarray:
        """`TRACK` of the usable frames of a clip."""
        pts, landmarks = (self.clips.read_whole(name, clip)[self.clips.usable[clip]] for name in (PTS, LANDMARKS))
        track = np.empty(len(pts), TRACK)
        track["pts"], track["points"] = pts, comparison_points(landmarks, self.clips.size)
        return track
